// Package ext stands in for a module of Traefik that is a folder of its repository, and so in no proxy: two empty parts.
package ext

// HTTP adds nothing to the settings of HTTP.
type HTTP struct{}

// Router adds nothing to the settings of a router.
type Router struct{}
