package theme

import (
	"fmt"
	"image"
	"image/color"
	"testing"
)

// grey returns a picture with the given rows of grey, at an origin of its own.
func grey(rows ...[]uint8) image.Image {
	m := image.NewNRGBA(image.Rect(7, -3, 7+len(rows[0]), -3+len(rows)))
	for y, row := range rows {
		for x, v := range row {
			m.SetNRGBA(7+x, -3+y, color.NRGBA{v, v, v, 255})
		}
	}
	return m
}

func TestScaleIsTheMeanOfTheArea(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		of    image.Image
		width int
		want  string
	}{
		{"pairs", grey([]uint8{10, 20, 30, 50}, []uint8{10, 20, 30, 50}), 2, "[15 40]"},
		{"both ways", grey([]uint8{0, 100}, []uint8{100, 200}), 1, "[100]"},
		{"a part of a pixel", grey([]uint8{30, 60, 90}), 2, "[40 80]"},
		{"five to three", grey([]uint8{0, 50, 100, 150, 200}), 3, "[20 100 180]"},
		{"the rows too", grey([]uint8{30, 30, 30}, []uint8{60, 60, 60}, []uint8{90, 90, 90}), 2, "[40 40 80 80]"},
		{"lower than a pixel", grey([]uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), 2, "[3 8]"},
	} {
		m := scale(tt.of, tt.width)
		var got []uint8
		for i := 0; i < len(m.Pix); i += 4 {
			if m.Pix[i] != m.Pix[i+1] || m.Pix[i] != m.Pix[i+2] || m.Pix[i+3] != 255 {
				t.Errorf("%s: pixel %d is %v, want an opaque grey", tt.name, i/4, m.Pix[i:i+4])
			}
			got = append(got, m.Pix[i])
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// White stays white and clear stays clear in every size: the shares of all
// pixels make up one.
func TestScaleKeepsEvenColours(t *testing.T) {
	t.Parallel()
	for _, c := range []color.NRGBA{{255, 255, 255, 255}, {}, {200, 100, 0, 128}} {
		m := image.NewNRGBA(image.Rect(0, 0, 97, 61))
		for i := 0; i < len(m.Pix); i += 4 {
			copy(m.Pix[i:], []uint8{c.R, c.G, c.B, c.A})
		}
		want := color.RGBAModel.Convert(c)
		for width := 1; width < 97; width++ {
			small := scale(m, width)
			for y := range small.Rect.Dy() {
				for x := range width {
					if got := small.At(x, y); got != want {
						t.Fatalf("%v at width %d: pixel %d, %d is %v, want %v", c, width, x, y, got, want)
					}
				}
			}
		}
	}
}
