package theme

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// photo returns a jpg whose left upper quarter is red and whose rest is blue.
func photo(t testing.TB, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{B: 0xff, A: 0xff}
			if x < width/2 && y < height/2 {
				c = color.RGBA{R: 0xff, A: 0xff}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withExif puts an Exif segment with the orientation, and a secret beside it,
// into a jpg.
func withExif(jpg []byte, order binary.AppendByteOrder, mark string, how uint16) []byte {
	tiff := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint32(order.AppendUint16(order.AppendUint16(tiff, 0x0112), 3), 1)
	tiff = order.AppendUint16(order.AppendUint16(tiff, how), 0)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	segment = append(segment, "Kari's place: 59.9 N"...)
	out := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return append(append(out, segment...), jpg[2:]...)
}

func TestBackgroundRenditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		width int
		want  []int
		warn  bool
	}{
		{3000, []int{640, 1280, 1920, 2835}, false},
		{2000, []int{640, 1280, 1920, 2000}, false},
		{1280, []int{640, 1280}, false},
		{500, []int{500}, true},
	} {
		m, warning, err := loadBackground("background", ".jpg", photo(t, c.width, c.width/2))
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for i, f := range m.Files {
			got = append(got, f.Width)
			decoded, format, err := image.Decode(bytes.NewReader(f.Data))
			if err != nil || format != "jpeg" || f.Type != "image/jpeg" || decoded.Bounds().Dx() != f.Width || decoded.Bounds().Dy() != f.Height {
				t.Errorf("%d: rendition %d is %s of %v, %v", c.width, i, format, decoded.Bounds(), err)
			}
			if r, _, b, _ := decoded.At(f.Width/4, f.Height/4).RGBA(); r < 0xf000 || b > 0x1000 {
				t.Errorf("%d: rendition %d shows something else", c.width, i)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%d: widths %v, want %v", c.width, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%d: widths %v, want %v", c.width, got, c.want)
			}
		}
		if (warning != "") != c.warn {
			t.Errorf("%d: warning %q", c.width, warning)
		}
	}
}

func TestOrientation(t *testing.T) {
	t.Parallel()
	// Where the red quarter is to be seen, by orientation: 0 left above, 1 right
	// above, 2 left below, 3 right below.
	for how, want := range map[uint16]int{0: 0, 1: 0, 2: 1, 3: 3, 4: 2, 5: 0, 6: 1, 7: 3, 8: 2, 9: 0} {
		for mark, order := range map[string]binary.AppendByteOrder{"II": binary.LittleEndian, "MM": binary.BigEndian} {
			data := withExif(photo(t, 320, 64), order, mark, how)
			m, _, err := loadLogo(".jpg", data)
			if err != nil {
				t.Fatal(err)
			}
			f := m.largest()
			if bytes.Contains(f.Data, []byte("Kari")) || bytes.Contains(f.Data, []byte("Exif")) {
				t.Error("what the camera noted is still there")
			}
			if lying := how >= 5 && how <= 8; lying != (f.Width < f.Height) {
				t.Errorf("orientation %d: %d × %d", how, f.Width, f.Height)
			}
			decoded, _, err := image.Decode(bytes.NewReader(f.Data))
			if err != nil {
				t.Fatal(err)
			}
			for place := range 4 {
				x, y := f.Width/4+place%2*f.Width/2, f.Height/4+place/2*f.Height/2
				r, _, _, _ := decoded.At(x, y).RGBA()
				if red := r > 0x8000; red != (place == want) {
					t.Errorf("orientation %d %s: place %d is red: %v", how, mark, place, red)
				}
			}
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(withExif(photo(f, 8, 8), binary.LittleEndian, "II", 6))
	f.Add(withExif(photo(f, 8, 8), binary.BigEndian, "MM", 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		if how := orientation(data); how < 1 || how > 8 {
			t.Errorf("orientation %d", how)
		}
	})
}

func TestLogo(t *testing.T) {
	t.Parallel()
	transparent := image.NewNRGBA(image.Rect(0, 0, 400, 100))
	transparent.SetNRGBA(1, 1, color.NRGBA{R: 0xff, A: 0x80})
	m, warning, err := loadLogo(".png", pngOf(t, transparent))
	if err != nil || warning != "" {
		t.Fatalf("%q, %v", warning, err)
	}
	f := m.largest()
	decoded, err := png.Decode(bytes.NewReader(f.Data))
	if err != nil || f.Name != "logo.png" || f.Type != "image/png" {
		t.Fatalf("%s %s: %v", f.Name, f.Type, err)
	}
	if got := color.NRGBAModel.Convert(decoded.At(1, 1)); got != (color.NRGBA{R: 0xff, A: 0x80}) {
		t.Errorf("transparency became %v", got)
	}

	_, warning, err = loadLogo(".png", pngOf(t, image.NewGray(image.Rect(0, 0, 317, 64))))
	if err != nil || !strings.Contains(warning, "317 × 64") || !strings.Contains(warning, "318 × 64") {
		t.Errorf("a small logo: %q, %v", warning, err)
	}

	m, _, err = loadLogo(".png", pngOf(t, image.NewNRGBA(image.Rect(0, 0, 2000, 500))))
	if err != nil || m.largest().Width != maxLogoWidth || m.largest().Height != 318 {
		t.Errorf("a large logo: %v, %v", m, err)
	}

	m, _, err = loadLogo(".svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 636 128" width="318px"/>`))
	if err != nil || m.largest().Width != 318 || m.largest().Height != 64 {
		t.Errorf("a drawing: %v, %v", m, err)
	}
}

func TestPicturesRefused(t *testing.T) {
	t.Parallel()
	bomb := pngOf(t, image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black}))
	bomb = bytes.Clone(bomb)
	binary.BigEndian.PutUint32(bomb[16:], 60_000) // the width in IHDR
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	wide := pngOf(t, image.NewPaletted(image.Rect(0, 0, maxSide+1, 1), color.Palette{color.Black}))
	for name, c := range map[string]struct {
		ending string
		data   []byte
		want   string
	}{
		"bomb":        {".png", bomb, ""}, // its checksum is wrong too
		"too wide":    {".png", wide, "too large"},
		"other kind":  {".png", photo(t, 400, 100), "is a jpeg"},
		"page":        {".jpg", []byte("<html>"), "not a picture"},
		"cut":         {".jpg", photo(t, 400, 100)[:700], "not a picture"},
		"many pixels": {".png", pngOf(t, image.NewPaletted(image.Rect(0, 0, 4096, 2048), color.Palette{color.Black})), "million pixels"},
		"many bytes":  {".png", make([]byte, maxLogoBytes+1), "too large"},
		"nothing":     {".png", nil, "not a picture"},
	} {
		if _, _, err := loadLogo(c.ending, c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
