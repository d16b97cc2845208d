package theme

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// Limits of a client's folder.
const (
	maxFolderFiles = 200
	maxAssetBytes  = 4 << 20
	// smallAsset is the size up to which a picture that custom.css names is
	// served as it is; larger ones get renditions like a background.
	smallAsset = 200 << 10
)

// Folder is what a client's folder holds, checked as a whole:
//
//	client.json           the client's record; may be missing when the store has it
//	logo.svg|png|jpg      its logo
//	background.jpg|png    the image behind the page
//	custom.css            its style, see [SafeCSS]
//	texts.json            its own wording of texts
//	templates/            its own pages
//
// and further images and fonts that custom.css names, in subfolders too. Files
// whose name begins with a dot are left alone; anything else is a fault.
//
// The members of client.json are those of [store.Client] in lower camel case:
// clientId, partnerId, disabled, name, description, homepage, customerCarePhone,
// customerCareEmail, product, subscriptionTermsUrl, userTermsUrl, language,
// region, guiVersion, targets, redirectUris, insecureRedirectPrefixes,
// insecureAllowHttp, public, secretHashes, grantTypes, scopes, insecureSkipPkce,
// omitIssuer, keepRefreshToken, mayIntrospect, consentRequired, requirePar,
// requireDpop, resources, postLogoutRedirectUris, backchannelLogoutUri,
// idTokenAlg, accessLifetime, refreshLifetime ("12h"), sealedPaymentSecrets,
// priceOverride, passwordOptional, callsPerMinute, callsPerSecond, sendsPerHour. Any
// other is a fault. clientId, name, description, homepage, both of customer care,
// product and both terms are required. A missing logo or background is a
// warning: pages then show the name, and a plain colour.
type Folder struct {
	Client     store.Client
	HasClient  bool   // there is a client.json
	Logo       *Image // nil for none
	Background *Image // nil for none
	CSS        []byte // custom.css as it was written; nil for none
	Texts      *texts.Overlay
	Templates  fs.FS // nil for none
	Warnings   FileFaults

	assets map[string]folderAsset // by path, logo and background too
}

// folderAsset is a file that custom.css may name.
type folderAsset struct {
	mediaType string
	data      []byte
	image     *Image // instead of data: a picture with renditions
}

// assetKinds are the files that may lie in a folder, by ending.
var assetKinds = map[string]struct{ mediaType, magic string }{
	".png": {"image/png", "png"}, ".jpg": {"image/jpeg", "jpeg"}, ".jpeg": {"image/jpeg", "jpeg"},
	".webp": {"image/webp", "webp"}, ".svg": {"image/svg+xml", ""},
	".woff2": {"font/woff2", "wOF2"}, ".woff": {"font/woff", "wOFF"},
	".ttf": {"font/ttf", "\x00\x01\x00\x00"}, ".otf": {"font/otf", "OTTO"},
}

var assetName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// LoadFolder reads a client's folder, whose root fsys is. Its error is a
// [FileFaults] with everything that is wrong in any of its files; the folder is
// not to be used then.
func LoadFolder(fsys fs.FS) (Folder, error) {
	l := &folderLoader{fsys: fsys, folder: Folder{assets: make(map[string]folderAsset)}}
	l.walk()
	l.styles()
	if l.folder.Logo == nil && !l.failed["logo"] {
		l.warn("", "no logo.svg, logo.png or logo.jpg: pages show the name instead")
	}
	if l.folder.Background == nil && !l.failed["background"] {
		l.warn("", "no background.jpg or background.png: pages show a plain colour")
	}
	return l.folder, l.faults.orNil()
}

// LoadFolders reads all folders in fsys, each named by its client's ID, in the
// order of their names. Its error is a [FileFaults] with everything that is
// wrong in any of them. Files beside the folders are left alone.
func LoadFolders(fsys fs.FS) ([]Folder, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("theme: read the clients' folders: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	folders, errs := make([]Folder, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0)) // images take time and memory
	for i, id := range ids {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			folders[i], errs[i] = loadNamed(fsys, id)
		})
	}
	wg.Wait()
	var faults FileFaults
	for _, err := range errs {
		f, ok := errors.AsType[FileFaults](err)
		if err != nil && !ok {
			return nil, err
		}
		faults = append(faults, f...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return folders, nil
}

// loadNamed loads the folder of the client with the given ID.
func loadNamed(fsys fs.FS, id string) (Folder, error) {
	sub, err := fs.Sub(fsys, id)
	if err != nil {
		return Folder{}, fmt.Errorf("theme: open the folder %q: %w", id, err)
	}
	f, err := LoadFolder(sub)
	faults, ok := errors.AsType[FileFaults](err)
	if err != nil && !ok {
		return Folder{}, err
	}
	switch {
	case !clientIDForm.MatchString(id):
		faults = append(faults, FileFault{Text: "the folder's name can not be a client ID"})
	case f.HasClient && f.Client.ID != "" && f.Client.ID != id:
		faults = append(faults, FileFault{File: "client.json", Text: fmt.Sprintf("clientId is %q, but the folder is %q", shorten(f.Client.ID), id)})
	}
	f.Client.ID = id
	for _, list := range []FileFaults{faults, f.Warnings} {
		for i := range list {
			list[i].File = path.Join(id, list[i].File)
		}
	}
	return f, faults.orNil()
}

type folderLoader struct {
	fsys   fs.FS
	folder Folder
	faults FileFaults
	failed map[string]bool // images that are there but faulty
	files  int
}

func (l *folderLoader) fault(file, format string, args ...any) {
	l.faults = append(l.faults, FileFault{File: file, Text: fmt.Sprintf(format, args...)})
}

func (l *folderLoader) warn(file, text string) {
	l.folder.Warnings = append(l.folder.Warnings, FileFault{File: file, Text: text})
}

// note adds the error of a check of one file.
func (l *folderLoader) note(file string, err error) {
	if faults, ok := errors.AsType[FileFaults](err); ok {
		l.faults = append(l.faults, faults.in(file)...)
	} else if err != nil {
		l.fault(file, "%v", err)
	}
}

// walk reads every file.
func (l *folderLoader) walk() {
	l.failed = make(map[string]bool)
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), "."):
			return nil
		case name == "templates" && d.IsDir():
			if l.folder.Templates, err = fs.Sub(l.fsys, name); err != nil {
				return err
			}
			return fs.SkipDir
		case !assetName.MatchString(d.Name()):
			l.fault(name, "want a name of letters, digits, dots, - and _")
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			l.fault(name, "not a plain file")
			return nil
		}
		if l.files++; l.files > maxFolderFiles {
			l.fault("", "more than %d files", maxFolderFiles)
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxBackgroundBytes {
			l.fault(name, "too large: %d MB", info.Size()>>20)
			return nil
		}
		data, err := fs.ReadFile(l.fsys, name)
		if err != nil {
			return err
		}
		l.file(name, data)
		return nil
	})
	if err != nil {
		l.fault("", "can not be read: %v", err)
	}
}

// file checks one file and keeps what it holds.
func (l *folderLoader) file(name string, data []byte) {
	ending := strings.ToLower(path.Ext(name))
	base := strings.TrimSuffix(name, path.Ext(name))
	switch {
	case name == "client.json", name == "texts.json":
		if len(data) > maxClientFile {
			l.fault(name, "too large: at most %d KB are allowed", maxClientFile>>10)
		} else if name == "client.json" {
			var faults FileFaults
			l.folder.Client, faults = parseClient(data)
			l.folder.HasClient = true
			l.note(name, faults.orNil())
		} else {
			overlay, err := texts.ParseOverlay(data)
			l.folder.Texts = overlay
			l.note(name, textFaults(data, err))
		}
	case name == "custom.css":
		l.folder.CSS = data
	case base == "logo" || base == "background":
		l.image(name, base, ending, data)
	default:
		l.asset(name, ending, data)
	}
}

// image reads a logo or background.
func (l *folderLoader) image(name, base, ending string, data []byte) {
	place, load := &l.folder.Logo, loadLogo
	if base == "background" {
		place = &l.folder.Background
		load = func(ending string, data []byte) (*Image, string, error) { return loadBackground(base, ending, data) }
	}
	if _, known := assetKinds[ending]; !known || ending == ".svg" && base == "background" || *place != nil || l.failed[base] {
		if *place != nil || l.failed[base] {
			l.fault(name, "there is another %s already", base)
		} else {
			l.fault(name, "a %s can not be a %s file", base, ending)
		}
		l.failed[base] = true
		return
	}
	m, warning, err := load(ending, data)
	if err != nil {
		l.failed[base] = true
		l.note(name, err)
		return
	}
	if warning != "" {
		l.warn(name, warning)
	}
	*place = m
	l.folder.assets[name] = folderAsset{image: m}
}

// asset keeps an image or font that custom.css may name.
func (l *folderLoader) asset(name, ending string, data []byte) {
	kind, ok := assetKinds[ending]
	switch {
	case !ok:
		l.fault(name, "not a file of a theme: want client.json, custom.css, texts.json, templates/, images (svg, png, jpg, webp) and fonts (woff2, woff, ttf, otf)")
		return
	case ending == ".svg":
		clean, err := SafeSVG(data)
		l.note(name, err)
		data = clean
	case kind.magic == "png" || kind.magic == "jpeg":
		if len(data) <= smallAsset {
			_, err := decodePicture(ending, data, smallAsset, maxBackgroundPixels)
			l.note(name, err)
			break
		}
		m, _, err := loadBackground(strings.TrimSuffix(path.Base(name), path.Ext(name)), ending, data)
		l.note(name, err)
		l.folder.assets[name] = folderAsset{image: m}
		return
	case len(data) > maxAssetBytes:
		l.fault(name, "too large: at most %d MB are allowed", maxAssetBytes>>20)
	case kind.magic == "webp":
		if http.DetectContentType(data) != kind.mediaType {
			l.fault(name, "its name ends in .webp, but it is something else")
		}
	case !bytes.HasPrefix(data, []byte(kind.magic)):
		l.fault(name, "not a font of the kind that its name says")
	}
	l.folder.assets[name] = folderAsset{mediaType: kind.mediaType, data: data}
}

// styles checks custom.css when all that it may name is known.
func (l *folderLoader) styles() {
	if l.folder.CSS == nil {
		return
	}
	_, err := SafeCSS(l.folder.CSS, func(ref string) (string, bool) {
		name, fragment, ok := assetRef(ref)
		if !ok {
			return "", false
		}
		_, ok = l.folder.assets[name]
		return name + fragment, ok
	})
	l.note("custom.css", err)
}
