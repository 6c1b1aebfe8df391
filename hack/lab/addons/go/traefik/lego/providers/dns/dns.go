// Package dns knows no provider of DNS challenges: some of their modules cannot be had everywhere.
package dns

import (
	"fmt"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName finds none.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("%s: this Traefik is built without providers of DNS challenges", name)
}
