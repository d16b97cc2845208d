package theme

import (
	_ "image/jpeg"
	_ "image/png"
)

const maxLogoPixels = 4 << 20
