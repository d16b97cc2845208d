package theme

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"slices"
)

// What is advised and what is allowed (ConnectID: "Configuration for new
// client").
const (
	minLogoWidth  = 318
	minLogoHeight = 64

	backgroundWidth  = 2835
	backgroundHeight = 2126
	minBackground    = 1280 // a narrower one is a warning

	maxLogoBytes        = 2 << 20
	maxLogoPixels       = 4 << 20
	maxLogoWidth        = 4 * minLogoWidth // wider ones are made smaller
	maxBackgroundBytes  = 20 << 20
	maxBackgroundPixels = 40 << 20
	maxSide             = 1 << 14
)

// renditionWidths are the widths in which a large image is kept, so that a phone
// does not load megabytes.
var renditionWidths = []int{640, 1280, 1920, backgroundWidth}

// Image is a picture of a client, checked and ready to be served.
type Image struct {
	// Files are its renditions from the smallest to the largest: one for a logo,
	// one or more for a background. All show the same.
	Files []ImageFile
}

// ImageFile is one rendition of an [Image].
type ImageFile struct {
	Name          string // such as logo.png or background-1280.jpg
	Type          string // the media type
	Width, Height int    // in pixels; zeros for a drawing that does not say
	Data          []byte
}

// largest returns the rendition with all detail.
func (m *Image) largest() ImageFile { return m.Files[len(m.Files)-1] }

// loadLogo reads a logo by the ending of its name. A picture is encoded anew,
// which leaves out what a camera or program wrote into it.
func loadLogo(ending string, data []byte) (m *Image, warning string, err error) {
	if ending == ".svg" {
		clean, err := SafeSVG(data)
		if err != nil {
			return nil, "", err
		}
		w, h := svgSize(clean)
		return &Image{[]ImageFile{{"logo.svg", "image/svg+xml", w, h, clean}}}, "", nil
	}
	picture, err := decodePicture(ending, data, maxLogoBytes, maxLogoPixels)
	if err != nil {
		return nil, "", err
	}
	size := picture.Bounds().Size()
	if size.X < minLogoWidth || size.Y < minLogoHeight {
		warning = fmt.Sprintf("the logo is %d × %d px; at least %d × %d px look good", size.X, size.Y, minLogoWidth, minLogoHeight)
	}
	if size.X > maxLogoWidth {
		picture = scale(picture, maxLogoWidth)
	}
	file, err := encodePicture("logo", picture, ending != ".png")
	if err != nil {
		return nil, "", err
	}
	return &Image{[]ImageFile{file}}, warning, nil
}

// loadBackground reads a large image and makes its renditions.
func loadBackground(name, ending string, data []byte) (m *Image, warning string, err error) {
	picture, err := decodePicture(ending, data, maxBackgroundBytes, maxBackgroundPixels)
	if err != nil {
		return nil, "", err
	}
	size := picture.Bounds().Size()
	if size.X < minBackground {
		warning = fmt.Sprintf("the image is %d × %d px; about %d × %d px fill a large window", size.X, size.Y, backgroundWidth, backgroundHeight)
	}
	widths := []int{min(size.X, backgroundWidth)}
	for _, width := range slices.Backward(renditionWidths) {
		if width < widths[0] {
			widths = append(widths, width)
		}
	}
	m = new(Image)
	for _, width := range widths { // each made from the one before it
		if width < picture.Bounds().Dx() {
			picture = scale(picture, width)
		}
		file, err := encodePicture(fmt.Sprintf("%s-%d", name, width), picture, true)
		if err != nil {
			return nil, "", err
		}
		m.Files = append(m.Files, file)
	}
	slices.Reverse(m.Files)
	return m, warning, nil
}

// decodePicture decodes a png or jpg after a look at its size, so that a small
// file can not fill the memory.
func decodePicture(ending string, data []byte, maxBytes, maxPixels int) (image.Image, error) {
	if len(data) > maxBytes {
		return nil, fmt.Errorf("too large: %d KB, at most %d KB are allowed", len(data)>>10, maxBytes>>10)
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not a picture that can be read: %w", err)
	}
	if want := map[string]string{".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}[ending]; format != want {
		return nil, fmt.Errorf("its name ends in %s, but it is a %s", ending, format)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels {
		return nil, fmt.Errorf("too large: %d × %d px, at most %d million pixels are allowed", c.Width, c.Height, maxPixels>>20)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not a picture that can be read: %w", err)
	}
	if format == "jpeg" {
		picture = upright(picture, orientation(data))
	}
	return picture, nil
}

func opaque(picture image.Image) bool {
	o, ok := picture.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// encodePicture encodes a photograph as jpg, and what is transparent or was
// drawn as png.
func encodePicture(name string, picture image.Image, photograph bool) (ImageFile, error) {
	size := picture.Bounds().Size()
	f := ImageFile{Name: name + ".jpg", Type: "image/jpeg", Width: size.X, Height: size.Y}
	var b bytes.Buffer
	if !photograph || !opaque(picture) {
		f.Name, f.Type = name+".png", "image/png"
		e := png.Encoder{CompressionLevel: png.BestCompression}
		if err := e.Encode(&b, picture); err != nil {
			return f, fmt.Errorf("encode png: %w", err)
		}
	} else if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 82}); err != nil {
		return f, fmt.Errorf("encode jpg: %w", err)
	}
	f.Data = b.Bytes()
	return f, nil
}
