package paper

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// errLoggedOut says that connectid does not take the token any more.
var errLoggedOut = errors.New("the token is not valid any more")

// apiError is what the API says is wrong.
type apiError struct {
	status  int
	path    string
	Type    string `json:"exceptionType"`
	Message string `json:"errorMessage"`
}

// Error implements error.
func (e *apiError) Error() string {
	return fmt.Sprintf("%s: the API answered %d: %s %s", e.path, e.status, e.Type, e.Message)
}

// profile is what the newspaper reads of GET /v1/customer/profile.
type profile struct {
	UserID          int64  `json:"userId"`
	CustomerNumber  int64  `json:"customerNumber"`
	UniqueID        string `json:"uniqueId"`
	LoginCredential struct {
		Credential string `json:"credential"`
		Type       string `json:"credentialType"`
	} `json:"loginCredential"`
	UserCredentials []struct {
		Credential string `json:"credential"`
	} `json:"userCredentials"`
	Name struct {
		First string `json:"firstName"`
		Last  string `json:"lastName"`
	} `json:"name"`
}

// display returns what the newspaper calls the reader.
func (p profile) display() string {
	return cmp.Or(strings.TrimSpace(p.Name.First+" "+p.Name.Last), p.LoginCredential.Credential)
}

// profile asks the API who the reader is. The token is refreshed when it has
// expired; s then holds the new one and is to be saved.
func (p *Paper) profile(ctx context.Context, s *session) (profile, error) {
	ctx = p.withClient(ctx)
	token, err := p.oauth.TokenSource(ctx, s.Token).Token()
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.ErrorCode == "invalid_grant" {
		return profile{}, errLoggedOut
	} else if err != nil {
		return profile{}, fmt.Errorf("refresh: %w", err)
	}
	s.Token = token
	var answer profile
	err = p.get(ctx, s, "/v1/customer/profile", &answer)
	return answer, err
}

// subscriptions asks the API what the reader subscribes to: the names of what
// goes on.
func (p *Paper) subscriptions(ctx context.Context, s *session) ([]string, error) {
	var answer struct {
		Subscriptions []struct {
			Product string `json:"product"`
			Name    string `json:"name"`
			EndTime int64  `json:"endTime"` // milliseconds since 1970
		} `json:"subscriptions"`
	}
	err := p.get(p.withClient(ctx), s, "/v1/subscription", &answer)
	var names []string
	for _, sub := range answer.Subscriptions {
		if sub.EndTime == 0 || sub.EndTime > time.Now().UnixMilli() {
			names = append(names, cmp.Or(sub.Name, sub.Product))
		}
	}
	return names, err
}

// mayRead asks the API whether the reader may read the article: by herself, or
// because she is registered with the directory of a company that subscribes.
func (p *Paper) mayRead(ctx context.Context, s *session, article string) (bool, error) {
	ctx = p.withClient(ctx)
	for _, question := range []map[string]any{{"articleId": article, "accessAidFamily": true}, {"articleId": article, "accessAzureAd": true}} {
		var answer struct {
			Access bool `json:"access"`
		}
		if err := p.call(ctx, s, http.MethodPost, "/v1/customer/access", question, &answer); err != nil || answer.Access {
			return answer.Access, err
		}
	}
	return false, nil
}

// get calls the API with the reader's token.
func (p *Paper) get(ctx context.Context, s *session, path string, answer any) error {
	return p.call(ctx, s, http.MethodGet, path, nil, answer)
}

// call is get with a method and a body.
func (p *Paper) call(ctx context.Context, s *session, method, path string, question, answer any) error {
	var body io.Reader
	if question != nil {
		raw, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.APIServer+path, body)
	if err != nil {
		return err
	}
	if question != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	s.Token.SetAuthHeader(req)
	resp, err := p.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return errLoggedOut
	default:
		refusal := &apiError{status: resp.StatusCode, path: path}
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(refusal); err != nil {
			refusal.Message = resp.Status
		}
		return refusal
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(answer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// revoke gives the refresh token back (RFC 7009). The reader is logged out here
// whether or not it works; a token that could not be given back expires by itself.
func (p *Paper) revoke(ctx context.Context, token *oauth2.Token) {
	form := url.Values{"token": {cmp.Or(token.RefreshToken, token.AccessToken)}}
	if p.ClientSecret == "" {
		form.Set("client_id", p.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.LoginServer+"/oauth/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		p.Logger.WarnContext(ctx, "revoke", "err", err)
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.ClientSecret != "" { // RFC 6749, section 2.3.1: both are form-encoded first
		req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret))
	}
	resp, err := p.HTTPClient.Do(req)
	if err != nil {
		p.Logger.WarnContext(ctx, "revoke", "err", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.Logger.WarnContext(ctx, "revoke", "status", resp.Status)
	}
}
