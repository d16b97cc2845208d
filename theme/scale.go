package theme

import (
	"image"
	"image/draw"
	"math"
)

// scale returns the picture in the given, smaller width. A pixel of the result
// is the mean of the area that it covers, which is what a photograph that only
// ever gets smaller needs.
//
// One row of the picture is looked at after the other, so that beside the result
// only a few rows are kept.
func scale(picture image.Image, width int) *image.RGBA {
	b := picture.Bounds()
	height := max(1, int(math.Round(float64(b.Dy())*float64(width)/float64(b.Dx()))))
	smaller := image.NewRGBA(image.Rect(0, 0, width, height)) // for which the encoders are fastest
	row := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	across := spans(b.Dx(), width)
	squeezed, sum := make([]float32, 4*width), make([]float32, 4*width)
	for y, s := range spans(b.Dy(), height) {
		draw.Draw(row, row.Rect, picture, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
		clear(squeezed)
		for x, s := range across {
			from, to := row.Pix[4*x:4*x+4], squeezed[4*s.at:4*s.at+4]
			for i, v := range from {
				to[i] += s.here * float32(v)
			}
			if s.next > 0 {
				to := squeezed[4*s.at+4 : 4*s.at+8]
				for i, v := range from {
					to[i] += s.next * float32(v)
				}
			}
		}
		for i, v := range squeezed {
			sum[i] += s.here * v
		}
		if !s.last {
			continue
		}
		for i, v := range sum {
			smaller.Pix[s.at*smaller.Stride+i] = uint8(v + 0.5)
			sum[i] = s.next * squeezed[i]
		}
	}
	return smaller
}

// span says where a pixel of a row of from pixels lies in one of fewer.
type span struct {
	at         int     // the first pixel that it touches
	here, next float32 // its share of that one and of the one after it
	last       bool    // no further pixel touches the first
}

func spans(from, to int) []span {
	all := make([]span, from)
	step := float64(to) / float64(from)
	for i := range all {
		// In whole numbers, so that no pixel falls beside its place by rounding.
		at := i * to / from
		s := span{at: at, here: float32(step)}
		if over := (i+1)*to - (at+1)*from; over >= 0 {
			s.last = true
			s.next = float32(float64(over) / float64(from))
			s.here -= s.next
		}
		all[i] = s
	}
	return all
}
