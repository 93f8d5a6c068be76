// Package spill keeps what PostgreSQL sends of transactions that have not ended in files, so that memory does not grow with them.
package spill

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
)

// Store has a file for each transaction. Nothing of it outlives the process: the
// server sends again what is not confirmed, and the files have no name from the moment they are made (where the system allows that).
//
// It belongs to the goroutine that reads the stream.
type Store struct {
	dir  string
	max  int64 // bytes of all files together
	used int64
	kept map[uint32]*kept // by transaction
	out  *bufio.Writer    // to the file of last
	last *kept
	told *Gauge
	file func(dir, pattern string) (*os.File, error)
}

// Gauge is what others may know of it, from any goroutine.
type Gauge struct{ Bytes, Files atomic.Int64 }

// Config of a store.
type Config struct {
	Dir   string // "": the system's for temporary files
	Max   int64  // bytes of all files together
	Gauge *Gauge
	File  func(dir, pattern string) (*os.File, error) // nil: os.CreateTemp
}

func (s *Store) tell() {
	s.told.Bytes.Store(s.used)
	s.told.Files.Store(int64(len(s.kept)))
}

// kept is one transaction.
type kept struct {
	file *os.File
	size int64
	gone map[uint32]struct{} // parts of it that were rolled back
}

const (
	headerBytes = 16 // length of the message, its part of the transaction, its LSN
	writeBytes  = 64 << 10
	readBytes   = 256 << 10
)

// Error says that transactions which have not ended cannot be kept. The position is where it was.
type Error struct {
	Dir string
	Max int64 // the limit that was reached; 0: the disk refused
	Err error
}

func (e *Error) Error() string {
	if e.Max > 0 {
		return fmt.Sprintf("keep a transaction that has not ended in %s: it and others need more than spill.bytes.max, %d: raise it, or set protocol.version=1, "+
			"with which PostgreSQL keeps them on its own disk; nothing is lost, the stream goes on from its position", e.Dir, e.Max)
	}
	return fmt.Sprintf("keep a transaction that has not ended in %s: %v: make room there, or name another folder in spill.directory, or set protocol.version=1, "+
		"with which PostgreSQL keeps them on its own disk; nothing is lost, the stream goes on from its position", e.Dir, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Retryable reports that it may work by itself later: it does not.
func (e *Error) Retryable() bool { return false }

// New makes an empty store: nothing is on disk before the first message.
func New(c Config) *Store {
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	if c.File == nil {
		c.File = os.CreateTemp
	}
	return &Store{dir: c.Dir, max: c.Max, kept: map[uint32]*kept{}, told: c.Gauge, file: c.File}
}

func (s *Store) fail(err error) error { return &Error{Dir: s.dir, Err: err} }

// Add keeps a message of a [pgoutput.Hold].
func (s *Store) Add(st pgoutput.Step, at change.LSN) error {
	k := s.kept[st.Xid]
	if k == nil {
		var err error
		if k, err = s.open(st.Xid); err != nil {
			return s.fail(err)
		}
	}
	if err := s.turnTo(k); err != nil {
		return err
	}
	size := headerBytes + 1 + int64(len(st.Body))
	if s.used+size > s.max {
		return &Error{Dir: s.dir, Max: s.max}
	}
	var head [headerBytes + 1]byte
	binary.BigEndian.PutUint32(head[0:], uint32(1+len(st.Body)))
	binary.BigEndian.PutUint32(head[4:], st.Sub)
	binary.BigEndian.PutUint64(head[8:], uint64(at))
	head[headerBytes] = st.Message
	_, err := s.out.Write(head[:])
	if err == nil {
		_, err = s.out.Write(st.Body)
	}
	if err != nil {
		return s.fail(err)
	}
	k.size += size
	s.used += size
	s.tell()
	return nil
}

func (s *Store) open(xid uint32) (*kept, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	file, err := s.file(s.dir, "tandem-transaction-"+strconv.FormatUint(uint64(xid), 10)+"-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // a system that does not let go of an open file's name gets it back in Drop
	k := &kept{file: file}
	s.kept[xid] = k
	return k, nil
}

// turnTo makes out write to k. The server sends a transaction's messages in blocks, so this is rare.
func (s *Store) turnTo(k *kept) error {
	if s.last == k {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.out == nil {
		s.out = bufio.NewWriterSize(k.file, writeBytes)
	} else {
		s.out.Reset(k.file)
	}
	s.last = k
	return nil
}

func (s *Store) flush() error {
	if s.last == nil {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return s.fail(err)
	}
	return nil
}

// Abort makes a part of a transaction void, or all of it.
func (s *Store) Abort(xid, sub uint32) {
	k := s.kept[xid]
	switch {
	case k == nil:
	case xid == sub:
		s.Drop(xid)
	default:
		if k.gone == nil {
			k.gone = map[uint32]struct{}{}
		}
		k.gone[sub] = struct{}{}
	}
}

// Each gives back what was kept of a transaction, in its order, without what is void: only descriptions of tables stay, for the server does not repeat them
// to what follows in the transaction. data is valid until do returns.
func (s *Store) Each(xid uint32, do func(data []byte, at change.LSN) error) error {
	k := s.kept[xid]
	if k == nil {
		return nil // it changed nothing that is published
	}
	if err := s.flush(); err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(k.file, 0, k.size), readBytes)
	var head [headerBytes]byte
	var data []byte
	for {
		if _, err := io.ReadFull(in, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return s.fail(err)
		}
		size := int(binary.BigEndian.Uint32(head[0:]))
		if _, gone := k.gone[binary.BigEndian.Uint32(head[4:])]; gone && !describes(in) {
			if _, err := in.Discard(size); err != nil {
				return s.fail(err)
			}
			continue
		}
		if size > cap(data) || cap(data) > readBytes && size <= readBytes {
			data = make([]byte, max(size, readBytes/64))
		}
		data = data[:size]
		if _, err := io.ReadFull(in, data); err != nil {
			return s.fail(err)
		}
		if err := do(data, change.LSN(binary.BigEndian.Uint64(head[8:]))); err != nil {
			return err
		}
	}
}

func describes(in *bufio.Reader) bool {
	next, err := in.Peek(1)
	return err == nil && (next[0] == 'R' || next[0] == 'Y')
}

// Drop forgets a transaction.
func (s *Store) Drop(xid uint32) {
	k := s.kept[xid]
	if k == nil {
		return
	}
	if s.last == k {
		s.last = nil
	}
	delete(s.kept, xid)
	s.used -= k.size
	s.tell()
	_ = k.file.Close()
	if _, err := os.Lstat(k.file.Name()); err == nil {
		_ = os.Remove(k.file.Name())
	}
}

// Close forgets all.
func (s *Store) Close() {
	for xid := range s.kept {
		s.Drop(xid)
	}
}
