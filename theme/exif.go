package theme

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// orientation returns how a camera held a jpg (Exif 2.3, tag 0x0112): 1 for
// upright or unknown, up to 8.
func orientation(data []byte) int {
	for rest := data[min(2, len(data)):]; len(rest) >= 4 && rest[0] == 0xff; {
		marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xda || size < 2 || len(rest) < 2+size {
			break // the picture itself, or no end
		}
		if tiff, ok := bytes.CutPrefix(rest[4:2+size], []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return tiffOrientation(tiff)
		}
		rest = rest[2+size:]
	}
	return 1
}

func tiffOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	n := int(order.Uint16(tiff[at:]))
	for entries := tiff[at+2:]; n > 0 && len(entries) >= 12; n-- {
		if order.Uint16(entries) == 0x0112 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// turned shows a picture as its orientation says, without a copy.
type turned struct {
	image.Image
	how int
}

func upright(picture image.Image, how int) image.Image {
	if how == 1 {
		return picture
	}
	// A copy, as scalers and encoders are slow with kinds that they do not know.
	t := turned{picture, how}
	upright := image.NewRGBA(t.Bounds())
	for y := range upright.Rect.Dy() {
		for x := range upright.Rect.Dx() {
			upright.Set(x, y, t.At(x, y))
		}
	}
	return upright
}

// Bounds returns the turned picture's size, from zero.
func (t turned) Bounds() image.Rectangle {
	size := t.Image.Bounds().Size()
	if t.how >= 5 { // lying on a side
		return image.Rect(0, 0, size.Y, size.X)
	}
	return image.Rectangle{Max: size}
}

// At returns the colour at a place of the turned picture.
func (t turned) At(x, y int) color.Color {
	b := t.Image.Bounds()
	if t.how >= 5 {
		x, y = y, x
	}
	switch t.how {
	case 2, 3, 7, 8:
		x = b.Dx() - 1 - x
	}
	switch t.how {
	case 3, 4, 6, 7:
		y = b.Dy() - 1 - y
	}
	return t.Image.At(b.Min.X+x, b.Min.Y+y)
}
