package theme

// fault is what is wrong with one field.
type fault struct {
	Field, Text string
	Target      string // id of the field's element
}

// Faults returns what is wrong, in the order of the fields.
func (v *view) Faults() []fault {
	out := make([]fault, len(v.page.Faults))
	for i, f := range v.page.Faults {
		out[i] = fault{f.Field, v.text(f.Text, f.Args...), elementID(f.Field)}
	}
	return out
}

// elementID returns the id of a field's element. The first two are known to the
// tests of clients' sites and to password managers.
func elementID(field string) string {
	switch field {
	case "credential":
		return "j_username"
	case "password":
		return "j_password"
	case "rememberMe":
		return "rememberMeCheckbox"
	}
	return field
}

// Summary reports whether what is wrong is listed at the top: when there are
// several faults, or one that is about no field.
func (v *view) Summary() bool {
	n := len(v.page.Faults)
	return n > 1 || n == 1 && v.page.Faults[0].Field == ""
}

// Field returns what a template needs to draw the field with the name.
func (v *view) Field(name string) field {
	f := field{Name: name, ID: elementID(name), View: v}
	for _, fault := range v.page.Faults {
		if fault.Field == name {
			f.Fault = v.text(fault.Text, fault.Args...)
			break
		}
	}
	return f
}

// Focus reports whether the field gets the focus: the first faulty one, or, when
// nothing is wrong, the one where first is true.
func (v *view) Focus(field string, first bool) bool {
	for _, f := range v.page.Faults {
		if f.Field != "" {
			return f.Field == field
		}
	}
	return first && len(v.page.Faults) == 0
}

// FocusSummary reports whether the list of faults gets the focus, as no field can.
func (v *view) FocusSummary() bool {
	for _, f := range v.page.Faults {
		if f.Field != "" {
			return false
		}
	}
	return len(v.page.Faults) > 0
}

// field is one form field on a page.
type field struct {
	Name, ID string
	Fault    string // what is wrong with it, or ""
	View     *view
}
