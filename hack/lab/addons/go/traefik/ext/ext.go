// Package ext is the place for more fields of Traefik's configuration: its module asks for it and does not hold it.
package ext

// HTTP has none.
type HTTP struct{}

// Router has none.
type Router struct{}
