package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic("no handler for " + os.Args[1])
	}))
	_, err := http.Get(server.URL)
	fmt.Fprintln(os.Stderr, "client:", err != nil)
}
