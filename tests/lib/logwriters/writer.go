// SPDX-License-Identifier: Apache-2.0

// writer FILE|- THREADS LINES: as writer.c, in Go; each goroutine keeps its thread.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

var out = os.Stdout

func put(text string) {
	if _, err := out.WriteString(text); err != nil {
		os.Exit(3)
	}
}

func run(count int, done *sync.WaitGroup) {
	defer done.Done()
	runtime.LockOSThread()
	sink, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		os.Exit(3)
	}
	s, err := net.Dial("udp4", sink.LocalAddr().String())
	if err != nil {
		os.Exit(3)
	}
	tid := syscall.Gettid()
	for n := 0; n < count; n++ {
		if _, err := s.Write(make([]byte, n+1)); err != nil {
			os.Exit(3)
		}
		if n%10 == 7 {
			put(fmt.Sprintf("panic: go tid=%d n=%d text\n", tid, n))
			put("\ngoroutine 1 [running]:\n")
			put("main.work(0x1)\n")
			put("\t/main.go:3\n")
			continue
		}
		text := "text"
		if n%25 == 24 {
			text = fmt.Sprintf("%0*d", []int{3000, 9000}[n/25%2], n)
		}
		line := fmt.Sprintf("go tid=%d n=%d %s\n", tid, n, text)
		third := len(line) / 3
		if n%10 == 3 {
			put(line[:third])
			put(line[third : 2*third])
			put(line[2*third:])
		} else {
			put(line)
		}
	}
}

func main() {
	if os.Args[1] != "-" {
		f, err := os.OpenFile(os.Args[1], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0644)
		if err != nil {
			os.Exit(3)
		}
		out = f
	}
	threads, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	var done sync.WaitGroup
	done.Add(threads)
	for i := 0; i < threads; i++ {
		go run(count, &done)
	}
	done.Wait()
}
