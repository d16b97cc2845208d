package target

import (
	"errors"
	"strings"
)

// cleanPath returns the path that a browser requests for a raw one (WHATWG URL,
// "path state"). unclear says that some servers would read another path out of
// it, so that no path prefix can be judged.
func cleanPath(raw string) (path string, unclear bool, err error) {
	if raw == "" {
		return "/", false, nil
	}
	dots := false
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '%':
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", false, errors.New("bad percent-encoding in the path")
			}
			switch strings.ToLower(raw[i+1 : i+3]) {
			case "2f", "5c", "00":
				unclear = true
			case "25": // encoded twice
				switch strings.ToLower(raw[i+3 : min(i+5, len(raw))]) {
				case "2e", "2f", "5c", "00", "25":
					unclear = true
				}
			case "2e":
				dots = true
			}
			i += 2
		case '.':
			dots = dots || raw[i-1] == '/' || raw[i-1] == '.' // only then can it be part of a dot segment
		case '`', '{', '}': // browsers encode them
			return "", false, errors.New("it contains a character that has to be percent-encoded in the path")
		}
	}
	if !dots {
		return raw, unclear, nil
	}
	segments := strings.Split(raw[1:], "/")
	var out []string
	for i, s := range segments {
		last := i == len(segments)-1
		name, _, hasParameter := strings.Cut(s, ";")
		switch decodeDots(name) {
		case ".", "..":
			if hasParameter { // "..;x" is a dot segment for servlet containers only
				unclear = true
				out = append(out, s)
				continue
			}
		default:
			out = append(out, s)
			continue
		}
		if decodeDots(s) == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/"), unclear, nil
}

// decodeDots returns "." or ".." if that is what s stands for, otherwise s.
func decodeDots(s string) string {
	if len(s) > len("%2e%2e") {
		return s
	}
	switch d := strings.ReplaceAll(strings.ReplaceAll(s, "%2e", "."), "%2E", "."); d {
	case ".", "..":
		return d
	}
	return s
}
