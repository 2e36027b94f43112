// SPDX-License-Identifier: Apache-2.0

// goro: goroutines that write to sockets of their own and say who they are, as the runtime prints it.
//
//	goro workers N ROUNDS	N goroutines, each with a pair of sockets; they take turns on few threads, because each waits
//				for the next number of a channel before it writes
//	goro hand N		a chain of N goroutines: each waits for the one before it (unbuffered channel), then writes
//	goro move N ROUNDS	goroutines that block in system calls, so that they move between threads
//
// Lines of the truth: `w GOID TID COOKIE OFFSET BYTES`, in the order of the writes of that goroutine; `e GOID GOID`: what
// the second writes after this line comes after what the first wrote before it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// goid: as runtime.Stack prints it, "goroutine 17 [running]:"
func goid() int {
	room := make([]byte, 64)
	words := strings.Fields(string(room[:runtime.Stack(room, false)]))
	id, err := strconv.Atoi(words[1])
	check(err)
	return id
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "goro:", err)
		os.Exit(1)
	}
}

var (
	truth = bufio.NewWriter(os.Stdout)
	lock  sync.Mutex
)

const soCookie = 57

func cookie(fd int) uint64 {
	var value uint64
	size := uint32(8)
	_, _, e := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, soCookie,
		uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		check(e)
	}
	return value
}

// end: one end of a TCP connection on loopback
type end struct {
	fd, peer int
	cookie   uint64
	offset   int
}

func newEnd() *end {
	l, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	check(syscall.Bind(l, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(syscall.Listen(l, 1))
	name, err := syscall.Getsockname(l)
	check(err)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	check(syscall.Connect(fd, name))
	peer, _, err := syscall.Accept(l)
	check(err)
	check(syscall.Close(l))
	return &end{fd: fd, peer: peer, cookie: cookie(fd)}
}

// write puts n bytes into the socket and notes who did it.  What is noted is kept by the goroutine: a lock would order them.
func (e *end) write(n int, notes *[]string) {
	runtime.LockOSThread() // only so that the thread that is noted is the one that writes
	tid := syscall.Gettid()
	_, err := syscall.Write(e.fd, make([]byte, n))
	runtime.UnlockOSThread()
	check(err)
	*notes = append(*notes, fmt.Sprintf("w %d %d %d %d %d", goid(), tid, e.cookie, e.offset, n))
	e.offset += n
}

func (e *end) read(n int) {
	for room := make([]byte, n); n > 0; {
		got, err := syscall.Read(e.peer, room)
		check(err)
		n -= got
	}
}

func tell(notes []string) {
	lock.Lock()
	defer lock.Unlock()
	for _, line := range notes {
		fmt.Fprintln(truth, line)
	}
}

// spin lets the others run
func spin() { runtime.Gosched() }

func workers(n, rounds int) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			var notes []string
			e := newEnd()
			for r := 0; r < rounds; r++ {
				e.write(1+r%7, &notes)
				spin()
			}
			tell(notes)
			all.Done()
		}()
	}
	all.Wait()
}

func hand(n int) {
	var all sync.WaitGroup
	in := make(chan int)
	first := in
	for i := 0; i < n; i++ {
		out := make(chan int)
		all.Add(1)
		go func(in, out chan int, last bool) {
			var notes []string
			e := newEnd()
			before := <-in
			if before != 0 {
				notes = append(notes, fmt.Sprintf("e %d %d", before, goid()))
			}
			e.write(3, &notes)
			if !last {
				out <- goid()
			}
			tell(notes)
			all.Done()
		}(in, out, i == n-1)
		in = out
	}
	first <- 0
	all.Wait()
}

func move(n, rounds int) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func(i int) {
			var notes []string
			e := newEnd()
			for r := 0; r < rounds; r++ {
				e.write(1+i%5, &notes)
				nap := syscall.Timespec{Nsec: int64(100000 + 900000*((i+r)%5))}
				if err := syscall.Nanosleep(&nap, nil); err != syscall.EINTR { // the scheduler's signals
					check(err)
				}
				e.read(1 + i%5)
				for k := 0; k < 8; k++ {
					spin() // into the queue of all: whichever thread is free goes on
				}
			}
			tell(notes)
			all.Done()
		}(i)
	}
	all.Wait()
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

func main() {
	switch os.Args[1] {
	case "workers":
		workers(number(2), number(3))
	case "hand":
		hand(number(2))
	case "move":
		move(number(2), number(3))
	}
	check(truth.Flush())
}
