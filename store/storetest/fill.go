package storetest

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// serial makes all values of one process distinct.
var serial atomic.Int64

// zone is not UTC: stores have to convert.
var zone = time.FixedZone("storetest", 5*3600+1800)

// fresh returns a record whose every field, also one that is added to its type
// tomorrow, has a value of its own: true, a string that names the field, a time
// an hour and more ahead.
func fresh[R any]() R {
	var r R
	fill(reflect.ValueOf(&r).Elem(), "", int(serial.Add(1)))
	return r
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	digestType = reflect.TypeFor[store.Digest]()
	kindType   = reflect.TypeFor[store.CredentialKind]()
)

func fill(v reflect.Value, path string, n int) {
	switch v.Type() {
	case timeType:
		at := time.Now().Truncate(time.Millisecond).Add(time.Hour + time.Duration(n%1000)*1001*time.Millisecond)
		v.Set(reflect.ValueOf(at.In(zone)))
		return
	case digestType:
		v.Set(reflect.ValueOf(store.Digest(sha256.Sum256(fmt.Append(nil, path, n)))))
		return
	case kindType:
		v.SetString(string(store.Email))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, n*61+i) // 61: more than a record has fields
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i), n*3+i)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n + 1))
	case reflect.Uint8:
		v.SetUint(uint64(n % 256))
	default:
		panic(fmt.Sprintf("storetest: teach fill the type %v of %s", v.Type(), path))
	}
}

// variants returns records that differ from a fresh one in ways that backends
// get wrong: all flags off, one flag on at a time, nothing but the fields named
// in keep, and strings that mean something to a query language.
func variants[R any](keep ...string) map[string]R {
	all := map[string]R{"every field set": fresh[R]()}
	kept := map[string]bool{}
	for _, k := range keep {
		kept[k] = true
	}
	add := func(name string, change func(field string, v reflect.Value)) {
		r := fresh[R]()
		v := reflect.ValueOf(&r).Elem()
		for i := range v.NumField() {
			change(v.Type().Field(i).Name, v.Field(i))
		}
		all[name] = r
	}
	add("nothing but the keys set", func(field string, v reflect.Value) {
		if !kept[field] {
			v.SetZero()
		}
	})
	add("strings of another language", func(_ string, v reflect.Value) {
		if v.Kind() == reflect.String && v.Type() != kindType {
			v.SetString(hostile + v.String())
		}
	})
	t := reflect.TypeFor[R]()
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() != reflect.Bool {
			continue
		}
		add("of all flags only "+t.Field(i).Name+" set", func(field string, v reflect.Value) {
			if v.Kind() == reflect.Bool {
				v.SetBool(field == t.Field(i).Name)
			}
		})
	}
	return all
}

// hostile has what SQL, patterns, JSON, keys with separators and one-byte
// encodings stumble over.
const hostile = "'; DROP TABLE users;-- \"%_\\*?[a]{}:/\t\r\n  ÆØÅ ß İ 日本 😀 \u202e "

// diff returns where got differs from want: times by more than a millisecond or
// not in UTC, anything else at all. Empty slices are equal, nil or not.
func diff(path string, got, want reflect.Value) []string {
	switch {
	case got.Type() == timeType:
		g, w := got.Interface().(time.Time), want.Interface().(time.Time)
		switch {
		case g.IsZero() != w.IsZero() || g.Sub(w).Abs() >= time.Millisecond:
			return []string{fmt.Sprintf("%s is %v, want %v", path, g, w.UTC())}
		case g.Location() != time.UTC:
			return []string{fmt.Sprintf("%s is %v, want it in UTC", path, g)}
		}
		return nil
	case got.Kind() == reflect.Struct:
		var all []string
		for i := range got.NumField() {
			all = append(all, diff(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))...)
		}
		return all
	case got.Kind() == reflect.Slice && got.Len() != want.Len():
		return []string{fmt.Sprintf("%s has length %d, want %d", path, got.Len(), want.Len())}
	case got.Kind() == reflect.Slice:
		var all []string
		for i := range got.Len() {
			all = append(all, diff(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i))...)
		}
		return all
	case !got.Equal(want):
		return []string{fmt.Sprintf("%s is %#v, want %#v", path, got, want)}
	}
	return nil
}
