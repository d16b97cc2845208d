package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/store"
)

// The error codes of OpenID Connect Core 1.0, section 3.1.2.6, that say what of the
// user is missing. There is no interaction_required: that is for servers that ask
// for more than a login, an account and consent.
const (
	LoginRequired            = flows.LoginRequired
	ConsentRequired          = flows.ConsentRequired
	AccountSelectionRequired = flows.AccountSelectionRequired
	RegistrationNotSupported = "registration_not_supported"
)

// prompts are the values of prompt (OpenID Connect Core 1.0, section 3.1.2.1).
var prompts = []string{"none", "login", "consent", "select_account"}

// maxAge bounds max_age: nobody is logged in for longer.
const maxAge = 100 * 365 * 24 * time.Hour

// descriptions say how an authorization ended, by the end's error code.
var descriptions = map[string]string{
	AccessDenied:             "the user left without logging in",
	LoginRequired:            "the user has to log in",
	ConsentRequired:          "the user has to agree to what the client asks for",
	AccountSelectionRequired: "the user has to choose an account",
	TemporarilyUnavailable:   "the service is busy, try again",
	ServerError:              "something went wrong",
	InvalidRequest:           "the request is not valid",
}

// ended returns the error with which a run ended.
func ended(end flows.End) *Error {
	code := end.Reason
	if code == "" {
		code = AccessDenied
	}
	if end.State == "deniedState" {
		return fault(code, "the user did not agree to what the client asks for")
	}
	return fault(code, descriptions[code])
}

// parseInteraction reads what the request asks of its user (OpenID Connect Core
// 1.0, section 3.1.2.1). Of the section's other parameters, display and acr_values
// are wishes that this server has no choice to make by, and claims and
// claims_locales are not supported, as the metadata says: they are not looked at.
func (s *Server) parseInteraction(ctx context.Context, a *authorization, q url.Values) error {
	if q.Get("registration") != "" { // section 7
		return fault(RegistrationNotSupported, "registration is not supported")
	}
	a.ask = flows.Authorization{}
	if err := parsePrompt(&a.ask, q.Get("prompt")); err != nil {
		return err
	}
	if err := parseMaxAge(&a.ask, q.Get("max_age")); err != nil {
		return err
	}
	// A hint that is neither an address nor a number hints at nobody.
	if hint := strings.TrimSpace(q.Get("login_hint")); hint != "" {
		if _, err := account.ParseCredential(hint, a.client.Region); err == nil {
			a.credential = hint
		}
	}
	if hint := q.Get("id_token_hint"); hint != "" {
		return s.parseHint(ctx, a, hint)
	}
	return nil
}

func parsePrompt(ask *flows.Authorization, prompt string) error {
	values := strings.FieldsFunc(prompt, func(c rune) bool { return c == ' ' })
	for _, value := range values {
		switch value {
		case "none":
			ask.Silent = true
		case "login":
			ask.Login = true
		case "consent":
			ask.Consent = true
		case "select_account":
			ask.SelectAccount = true
		default:
			// Initiating User Registration via OpenID Connect 1.0, section 4.1.
			return fault(InvalidRequest, "unknown value of prompt: "+value[:min(len(value), 40)])
		}
	}
	if ask.Silent && len(values) > 1 {
		return fault(InvalidRequest, "prompt has none and another value")
	}
	return nil
}

func parseMaxAge(ask *flows.Authorization, raw string) error {
	if raw == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(raw, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && seconds > uint64(maxAge/time.Second):
		ask.MaxAge = maxAge
	case err != nil:
		return fault(InvalidRequest, "max_age has to be a number of seconds")
	case seconds == 0: // however long ago it was is too long
		ask.Login = true
	default:
		ask.MaxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

// parseHint finds out whom an id_token_hint names: whoever has absorbed her account
// since, if somebody has.
func (s *Server) parseHint(ctx context.Context, a *authorization, hint string) error {
	sub, _, audience, err := s.VerifyIDTokenHint(ctx, hint)
	switch {
	case errors.Is(err, ErrHint), err == nil && !slices.Contains(audience, a.client.ID):
		return fault(InvalidRequest, "id_token_hint is not an ID token of this server for this client")
	case err != nil:
		return err
	}
	switch u, err := s.config.GUI.Accounts.Resolve(ctx, sub); {
	case err == nil:
		a.ask.UserID = u.ID
	case errors.Is(err, account.ErrUserGone), errors.Is(err, store.ErrNotFound):
		a.ask.UserID = sub // whom nobody can log in as
	default:
		return fmt.Errorf("find whom id_token_hint names: %w", err)
	}
	return nil
}

// plain reports whether a user who is logged in can be sent back at once.
func (a *authorization) plain() bool {
	return a.credential == "" && a.ask.Plain(&a.client)
}

// loginRequest is the request of the flow at oauthLogin.
func (a *authorization) loginRequest(r *http.Request) flows.Request {
	ask := a.ask
	ask.Scopes = strings.Fields(a.scope)
	return flows.Request{
		Client: &a.client, Return: a.redirect, Error: a.redirect, Credential: a.credential, Authorization: &ask,
		Lang:      gui.Lang(r, a.lang, a.locales, a.client.Language),
		LangAsked: a.lang+a.locales != "",
	}
}
