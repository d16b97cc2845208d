package pay

import "io/fs"

// Library is the scripts of a folder.
type Library struct{ *library }

// NewLibrary reads the folders of versions.
func NewLibrary(lib fs.FS) (Library, error) {
	l, err := newLibrary(lib)
	return Library{l}, err
}

// Find returns what stands at a path below lib/.
func (l Library) Find(path string) (body string, exact, ok bool) {
	a, exact, ok := l.find(path)
	return string(a.body), exact, ok
}
