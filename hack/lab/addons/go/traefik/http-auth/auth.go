// Package auth lets nobody in: the fork that Traefik's own logins need cannot be had everywhere.
package auth

import "net/http"

// BasicAuth refuses everybody.
type BasicAuth struct {
	Realm   string
	Secrets func(user, realm string) string
}

// RequireAuth answers that somebody should have logged in.
func (*BasicAuth) RequireAuth(answer http.ResponseWriter, _ *http.Request) {
	answer.WriteHeader(http.StatusUnauthorized)
}

// CheckSecret knows no password.
func CheckSecret(_, _ string) bool { return false }

// DigestAuth refuses everybody.
type DigestAuth struct{ BasicAuth }

// NewDigestAuthenticator needs nothing of what it is given.
func NewDigestAuthenticator(string, func(user, realm string) string) *DigestAuth { return &DigestAuth{} }

// CheckAuth finds nobody.
func (*DigestAuth) CheckAuth(*http.Request) (string, *string) { return "", nil }

// RequireAuthStale answers that somebody should log in again.
func (digest *DigestAuth) RequireAuthStale(answer http.ResponseWriter, request *http.Request) {
	digest.RequireAuth(answer, request)
}

// DigestAuthParams reads none.
func DigestAuthParams(string) map[string]string { return nil }
