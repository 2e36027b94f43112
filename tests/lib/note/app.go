// SPDX-License-Identifier: Apache-2.0
//
// app.go LABEL N - as app.c, by cgo.
package main

/*
#include <stdlib.h>
#include "saker.h"
static uint64_t begin(const char *name) { return saker_begin(name); }
static void end(uint64_t span) { saker_end(span); }
static void text(const char *key, const char *value) { saker_text(key, value); }
static void number(const char *key, int64_t value) { saker_number(key, value); }
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"unsafe"
)

func with(text string, f func(*C.char)) {
	c := C.CString(text)
	defer C.free(unsafe.Pointer(c))
	f(c)
}

func begin(name string) (span C.uint64_t) {
	with(name, func(c *C.char) { span = C.begin(c) })
	return
}

func word(key, value string) {
	with(key, func(k *C.char) { with(value, func(v *C.char) { C.text(k, v) }) })
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	for i := 0; i < n; i++ {
		outer := begin(os.Args[1])
		inner := begin(fmt.Sprintf("inner %d", i))
		with("i", func(k *C.char) { C.number(k, C.int64_t(-i)) })
		word("password", "hunter2hunter2")
		C.end(inner)
		word("colour", map[bool]string{true: "blue", false: "red"}[i&1 == 1])
		C.end(outer)
	}
}
