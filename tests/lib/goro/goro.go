// SPDX-License-Identifier: Apache-2.0

// goro: goroutines that write to sockets of their own and say who they are, as the runtime prints it.
//
//	goro workers N ROUNDS	N goroutines, each with a pair of sockets; they take turns on few threads, because each waits
//				for the next number of a channel before it writes
//	goro hand N		a chain of N goroutines: each waits for the one before it (unbuffered channel), then writes
//	goro move N ROUNDS	goroutines that block in system calls, so that they move between threads
//	goro lock N		N pairs of goroutines, of which one ends the other's wait for a lock
//
// Lines of the truth: `w GOID TID COOKIE OFFSET BYTES`, in the order of the writes of that goroutine; `e GOID GOID`: what
// the second writes after this line comes after what the first wrote before it; `o COOKIE OFFSET COOKIE OFFSET`: the write there
// comes before the other.
//
// What a goroutine does before it has told must have nothing in common with others, or they are ordered after all: package
// fmt takes its buffers from a sync.Pool, and who comes there while another makes the pool's room waits for that one's lock
// (sync/pool.go: pinSlow; seen in one of 60 runs of `move` on a machine with load).  So notes are numbers until they are
// told, and nobody collects garbage.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// note: a line of the truth
type note struct {
	what    byte
	numbers []uint64
}

func numbers(values ...uint64) []uint64 { return values }

// write puts n bytes into the socket and notes who did it.  What is noted is kept by the goroutine: a lock would order them.
func (e *end) write(n int, notes *[]note) {
	runtime.LockOSThread() // only so that the thread that is noted is the one that writes
	tid := syscall.Gettid()
	_, err := syscall.Write(e.fd, make([]byte, n))
	runtime.UnlockOSThread()
	check(err)
	*notes = append(*notes, note{'w', numbers(uint64(goid()), uint64(tid), e.cookie, uint64(e.offset), uint64(n))})
	e.offset += n
}

func (e *end) read(n int) {
	for room := make([]byte, n); n > 0; {
		got, err := syscall.Read(e.peer, room)
		check(err)
		n -= got
	}
}

func tell(notes []note) {
	lock.Lock()
	defer lock.Unlock()
	for _, n := range notes {
		fmt.Fprintf(truth, "%c", n.what)
		for _, number := range n.numbers {
			fmt.Fprintf(truth, " %d", number)
		}
		fmt.Fprintln(truth)
	}
}

// spin lets the others run
func spin() { runtime.Gosched() }

func workers(n, rounds int) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			var notes []note
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
			var notes []note
			e := newEnd()
			before := <-in
			if before != 0 {
				notes = append(notes, note{'e', numbers(uint64(before), uint64(goid()))})
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
			var notes []note
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

// waits: does the goroutine wait for a lock, as the runtime prints it?
func waits(id int) bool {
	room := make([]byte, 1<<16)
	text := string(room[:runtime.Stack(room, true)])
	head := "goroutine " + strconv.Itoa(id) + " ["
	return strings.Contains(text, head+"semacquire") || strings.Contains(text, head+"sync.Mutex.Lock")
}

// pair: one has the lock until the other waits for it.  What either did before that comes before what the other does then.
func pair() {
	var common sync.Mutex
	var notes [2][]note
	var both sync.WaitGroup
	var other int64
	a, b := newEnd(), newEnd()
	common.Lock()
	both.Add(2)
	go func() {
		b.write(2, &notes[1])
		atomic.StoreInt64(&other, int64(goid()))
		common.Lock()
		b.write(4, &notes[1])
		both.Done()
	}()
	go func() {
		a.write(1, &notes[0])
		for id := 0; id == 0 || !waits(id); spin() {
			id = int(atomic.LoadInt64(&other))
		}
		common.Unlock()
		a.write(3, &notes[0])
		both.Done()
	}()
	both.Wait()
	tell(notes[0])
	tell(notes[1])
	tell([]note{{'o', numbers(a.cookie, 0, b.cookie, 2)}, {'o', numbers(b.cookie, 0, a.cookie, 1)}})
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

func main() {
	debug.SetGCPercent(-1)
	switch os.Args[1] {
	case "workers":
		workers(number(2), number(3))
	case "hand":
		hand(number(2))
	case "move":
		move(number(2), number(3))
	case "lock":
		for n := number(2); n > 0; n-- {
			pair()
		}
	}
	check(truth.Flush())
}
