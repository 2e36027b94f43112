// SPDX-License-Identifier: Apache-2.0

// The application of the shop in Go: net/http, a goroutine for each connection. It answers as item.c does (see there and
// ../README.md): the application's lock, Redis, PostgreSQL, every third item the next application, a little work, a line
// logged. Only the standard library; Redis and PostgreSQL are spoken by hand.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	deep        = 3
	connections = 32
	flushBytes  = 262144
	resentAt    = 100 // tcpi_total_retrans in struct tcp_info, linux/tcp.h
	bootClock   = 7
)

func setting(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	if otherwise == "" {
		fmt.Fprintf(os.Stderr, "shop-go: %s is not set\n", name)
		os.Exit(1)
	}
	return strings.TrimSpace(otherwise)
}

func now() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, bootClock, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func goroutine() int {
	var text [64]byte
	n, _ := strconv.Atoi(strings.Fields(string(text[:runtime.Stack(text[:], false)]))[1])
	return n
}

// A connection, and the pool that it comes from.
type wire struct {
	net.Conn
	in *bufio.Reader
}

type pool struct {
	place string
	hello func(*wire) error
	room  chan struct{}
	idle  chan *wire
}

func newPool(place string, hello func(*wire) error) *pool {
	return &pool{place, hello, make(chan struct{}, connections), make(chan *wire, connections)}
}

func (p *pool) open() (*wire, error) {
	conn, err := net.Dial("tcp4", p.place)
	if err != nil {
		return nil, err
	}
	w := &wire{conn, bufio.NewReader(conn)}
	if p.hello != nil {
		if err = p.hello(w); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return w, nil
}

func (p *pool) ask(exchange func(*wire) error) (err error) {
	var w *wire
	p.room <- struct{}{}
	defer func() { <-p.room }()
	select {
	case w = <-p.idle:
	default:
		if w, err = p.open(); err != nil {
			return err
		}
	}
	if err = exchange(w); err != nil {
		w.Close()
		return err
	}
	p.idle <- w
	return nil
}

// Segments that the kernel sent again on this connection so far.
func (w *wire) resent() (n uint32) {
	raw, err := w.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		var info [resentAt + 4]byte
		size := uint32(len(info))
		syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
		n = binary.LittleEndian.Uint32(info[resentAt:])
	})
	return n
}

func (w *wire) redisString() (string, error) {
	line, err := w.in.ReadString('\n')
	if err != nil || len(line) < 3 || line[0] != '$' {
		return "", errors.New("Redis answers '" + line + "'")
	}
	size, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	if size < 0 {
		return "", nil
	}
	body := make([]byte, size+2)
	_, err = io.ReadFull(w.in, body)
	return string(body[:size]), err
}

func (t *took) redis(p *pool, key, id string) (value string, err error) {
	begin := now()
	err = p.ask(func(w *wire) (err error) {
		before := w.resent()
		if id == "" {
			fmt.Fprintf(w, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key)
			value, err = w.redisString()
		} else { // an id goes along as a second key
			fmt.Fprintf(w, "*3\r\n$4\r\nMGET\r\n$%d\r\n%s\r\n$%d\r\nid:%s\r\n", len(key), key, len(id)+3, id)
			if _, err = w.in.ReadString('\n'); err == nil {
				if value, err = w.redisString(); err == nil {
					_, err = w.redisString()
				}
			}
		}
		t.Resent = w.resent() - before
		return err
	})
	t.Redis = now() - begin
	return value, err
}

// The first column of the first row, when all of the answer is there.
func (w *wire) queryAnswer() (value string, err error) {
	var head [5]byte
	failed := false
	for {
		if _, err = io.ReadFull(w.in, head[:]); err != nil {
			return "", err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err = io.ReadFull(w.in, body); err != nil {
			return "", err
		}
		switch head[0] {
		case 'D':
			value = string(body[6 : 6+binary.BigEndian.Uint32(body[2:])])
		case 'E':
			failed = true
		case 'Z':
			if failed {
				err = errors.New("PostgreSQL answers with an error")
			}
			return value, err
		}
	}
}

func (w *wire) queryHello() error {
	var out bytes.Buffer
	words := "\x00\x03\x00\x00user\x00postgres\x00database\x00shop\x00\x00"
	binary.Write(&out, binary.BigEndian, uint32(len(words)+4))
	out.WriteString(words)
	w.Write(out.Bytes())
	_, err := w.queryAnswer()
	return err
}

func (t *took) query(p *pool, sql string) (value string, err error) {
	begin := now()
	err = p.ask(func(w *wire) (err error) {
		var out bytes.Buffer
		out.WriteByte('Q')
		binary.Write(&out, binary.BigEndian, uint32(len(sql)+5))
		out.WriteString(sql + "\x00")
		if _, err = w.Write(out.Bytes()); err == nil {
			value, err = w.queryAnswer()
		}
		return err
	})
	t.Query = now() - begin
	return value, err
}

func (t *took) get(next, path, id string) (body json.RawMessage, err error) {
	begin := now()
	r, err := http.NewRequest("GET", "http://"+next+path, nil)
	if err != nil {
		return nil, err
	}
	if id != "" {
		r.Header.Set("X-Request-ID", id)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = errors.New("the next application answers " + answer.Status)
	}
	t.Next = now() - begin
	return body, err
}

// How long the steps of a request took, and the rest of the truth.
type took struct {
	App     string `json:"app"`
	ID      string `json:"id"`
	Item    int    `json:"item"`
	Status  int    `json:"status"`
	Pid     int    `json:"pid"`
	Tid     int    `json:"tid"`
	Goid    int    `json:"goid"`
	Begin   int64  `json:"begin_boot_ns"`
	End     int64  `json:"end_boot_ns"`
	Lock    int64  `json:"lock_ns"`
	Redis   int64  `json:"redis_ns"`
	Resent  uint32 `json:"redis_resent"`
	Query   int64  `json:"query_ns"`
	Next    int64  `json:"next_ns"`
	Flush   int64  `json:"flush_ns"`
	Held    int64  `json:"held_ns"`
	CPUWait int64  `json:"cpu_wait_ns"`
	Fault   string `json:"fault"`
}

type app struct {
	name, next, disk string
	stores, db       *pool
	truth            *os.File
	lock             sync.Mutex
	served           int // under lock
}

// How long the threads of this program were kept from running although they could have, as the kernel counts it.
func (a *app) cpuWait() (sum int64) {
	if a.truth == nil {
		return 0
	}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		var ran, wait int64
		text, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/schedstat")
		fmt.Sscan(string(text), &ran, &wait)
		sum += wait
	}
	return sum
}

func (a *app) stepLock(t *took, ms int) {
	begin := now()
	a.lock.Lock()
	got := now()
	t.Lock = got - begin
	a.served++
	if ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond)
		t.Held = now() - got
	}
	a.lock.Unlock()
}

// Writes and waits until it is on the disk, again and again until that time is over.
func (a *app) stepFlush(t *took, ms int) error {
	begin := now()
	f, err := os.Create(fmt.Sprintf("%s/%s.%d", a.disk, a.name, goroutine()))
	if err != nil {
		return err
	}
	defer f.Close()
	for now() < begin+int64(ms)*1000000 {
		if _, err = f.Write(make([]byte, flushBytes)); err != nil {
			return err
		}
		if err = f.Sync(); err != nil {
			return err
		}
	}
	t.Flush = now() - begin
	return nil
}

func compute(text string) uint32 {
	sum := uint32(2166136261)
	for i := 0; i < 5000; i++ {
		for j := 0; j < len(text); j++ {
			sum = (sum ^ uint32(text[j])) * 16777619
		}
	}
	return sum
}

func (a *app) make(t *took, fault string, ms int) (body map[string]any, err error) {
	slow, mark := "", ""
	planted := func(kind string) int {
		if fault == kind {
			return ms
		}
		return 0
	}
	a.stepLock(t, planted("lock"))
	price, err := t.redis(a.stores, fmt.Sprintf("item:%d", t.Item), t.ID)
	if err != nil {
		return nil, err
	}
	if planted("query") > 0 {
		slow = fmt.Sprintf(", pg_sleep(%d.%03d)", ms/1000, ms%1000)
	}
	if t.ID != "" {
		mark = " /* " + t.ID + " */"
	}
	name, err := t.query(a.db, fmt.Sprintf("select name, stock%s from item where id = %d%s", slow, t.Item, mark))
	if err != nil {
		return nil, err
	}
	var other json.RawMessage
	if a.next != "" && t.Item%deep == 0 {
		if other, err = t.get(a.next, fmt.Sprintf("/item/%d", t.Item), t.ID); err != nil {
			return nil, err
		}
	}
	if planted("flush") > 0 {
		if err = a.stepFlush(t, ms); err != nil {
			return nil, err
		}
	}
	return map[string]any{"app": a.name, "item": t.Item, "name": name, "price": price, "sum": compute(name), "next": other}, nil
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wait := a.cpuWait()
	t := took{App: a.name, ID: r.Header.Get("X-Request-ID"), Pid: os.Getpid(), Tid: syscall.Gettid(), Begin: now(), Status: 404,
		Fault: r.Header.Get("X-Shop-Fault")}
	body := map[string]any{}
	if _, number, ok := strings.Cut(r.URL.Path, "/item/"); ok {
		t.Item, _ = strconv.Atoi(number)
	}
	if t.Item > 0 {
		var err error
		kind, size, _ := strings.Cut(t.Fault, "=")
		ms, _ := strconv.Atoi(size)
		t.Status = 200
		if body, err = a.make(&t, kind, ms); err != nil {
			t.Status = 500
			fmt.Fprintln(os.Stderr, "shop-go:", err)
		}
	}
	mark := ""
	if t.ID != "" {
		mark = " id=" + t.ID
	}
	os.Stdout.WriteString(fmt.Sprintf("%s: item %d: %d in %.3f ms%s\n", a.name, t.Item, t.Status, float64(now()-t.Begin)/1e6, mark))
	text, _ := json.Marshal(body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(t.Status)
	w.Write(text)
	if a.truth != nil {
		t.End, t.Goid, t.CPUWait = now(), goroutine(), a.cpuWait()-wait
		line, _ := json.Marshal(t)
		a.truth.Write(append(line, '\n'))
	}
}

func main() {
	a := &app{name: setting("SHOP_NAME", ""), next: setting("SHOP_NEXT", " "), disk: setting("SHOP_DISK", "."),
		stores: newPool(setting("SHOP_REDIS", ""), nil), db: newPool(setting("SHOP_DB", ""), (*wire).queryHello)}
	if path := setting("SHOP_TRUTH", " "); path != "" {
		var err error
		if a.truth, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "shop-go:", err)
			os.Exit(1)
		}
	}
	fmt.Fprintln(os.Stderr, "shop-go:", http.ListenAndServe(setting("SHOP_LISTEN", ""), a))
	os.Exit(1)
}
