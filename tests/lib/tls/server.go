// SPDX-License-Identifier: Apache-2.0
//
// server.go PORT CERTIFICATE - an HTTPS server; each answer repeats the path that was asked for.
package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
)

func main() {
	server := http.Server{
		Addr:         "127.0.0.1:" + os.Args[1],
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Answer-To", r.URL.Path)
			fmt.Fprintf(w, "answer to %s", r.URL.Path)
		}),
	}
	fmt.Println("ready")
	fmt.Fprintln(os.Stderr, server.ListenAndServeTLS(os.Args[2], os.Args[2]))
}
