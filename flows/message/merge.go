package message

import "github.com/connectid-kit/connectid/internal/texts"

// mergeMail fills in the mails about credentials and accounts that are joined.
func (c *Composer) mergeMail(m *mail, l Letter, lang string) {
	switch l.Kind {
	case CredentialAdded:
		m.Subject = texts.Get(lang, "mail.added.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.added.intro", m.Name, oneLine(l.About, 254))
		m.Notes = []string{texts.Get(lang, "mail.added.notYou")}
	case AccountsMerged:
		m.Subject = texts.Get(lang, "mail.merged.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.merged.intro", m.Name)
		m.Notes = []string{texts.Get(lang, "mail.merged.login"), l.undo(lang)}
		if l.Link != "" {
			m.Link, m.Button = l.Link, texts.Get(lang, "mail.merged.button")
		}
	case AccountsSeparated:
		m.Subject = texts.Get(lang, "mail.separated.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.separated.intro", m.Name)
		m.Notes = []string{texts.Get(lang, "mail.separated.login"), texts.Get(lang, "mail.changed.notYou")}
		if l.Link != "" {
			m.Link, m.Button = l.Link, texts.Get(lang, "mail.changed.button")
		}
	case CareMerge:
		m.Subject = texts.Get(lang, "mail.care.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.care.merge")
		m.Notes, m.Care = nil, ""
		for _, d := range l.Details {
			m.Notes = append(m.Notes, oneLine(d, 400))
		}
	}
}

func (c *Composer) mergeSMS(l Letter, lang string) string {
	name := clientName(l.Client)
	switch l.Kind {
	case CredentialAdded:
		return join(texts.Get(lang, "sms.added", name, oneLine(l.About, 80)), texts.Get(lang, "mail.added.notYou"))
	case AccountsMerged:
		return join(texts.Get(lang, "sms.merged", name), l.undo(lang), l.Link)
	}
	return join(texts.Get(lang, "sms.separated", name), l.Link)
}

// undo says how the merge is undone, or that customer care can help.
func (l Letter) undo(lang string) string {
	if l.Link == "" || !texts.Has(l.Undo) {
		return texts.Get(lang, "mail.merged.notYou")
	}
	return join(texts.Get(lang, "mail.merged.mistake"), texts.Get(lang, l.Undo, l.UndoIn))
}
