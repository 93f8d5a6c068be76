package cdc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/tandem-sync/tandem/connector/change"
)

// spill keeps the messages of transactions that have not ended, in a file each, so that memory does not grow with them. Nothing of it outlives the process: the
// server sends again what is not confirmed, and the files have no name from the moment they are made (where the system allows that).
//
// It belongs to the goroutine that reads the stream.
type spill struct {
	dir  string
	max  int64 // bytes of all files together
	used int64
	kept map[uint32]*kept // by transaction
	out  *bufio.Writer    // to the file of last
	last *kept
	told spillGauge
	file func(dir, pattern string) (*os.File, error) // os.CreateTemp, but in tests
}

// spillGauge is what others may know of it, from any goroutine.
type spillGauge struct{ bytes, files *atomic.Int64 }

func (s *spill) tell() {
	s.told.bytes.Store(s.used)
	s.told.files.Store(int64(len(s.kept)))
}

// kept is one transaction.
type kept struct {
	file *os.File
	size int64
	gone map[uint32]struct{} // parts of it that were rolled back
}

const (
	spillHeader     = 16 // length of the message, its part of the transaction, its LSN
	spillWriteBytes = 64 << 10
	spillReadBytes  = 256 << 10
)

// SpillError says that transactions which have not ended cannot be kept. The position is where it was.
type SpillError struct {
	Dir string
	Max int64 // the limit that was reached; 0: the disk refused
	Err error
}

func (e *SpillError) Error() string {
	if e.Max > 0 {
		return fmt.Sprintf("keep a transaction that has not ended in %s: it and others need more than spill.bytes.max, %d: raise it, or set protocol.version=1, "+
			"with which PostgreSQL keeps them on its own disk; nothing is lost, the stream goes on from its position", e.Dir, e.Max)
	}
	return fmt.Sprintf("keep a transaction that has not ended in %s: %v: make room there, or name another folder in spill.directory, or set protocol.version=1, "+
		"with which PostgreSQL keeps them on its own disk; nothing is lost, the stream goes on from its position", e.Dir, e.Err)
}

func (e *SpillError) Unwrap() error { return e.Err }

// Retryable reports that it may work by itself later: it does not.
func (e *SpillError) Retryable() bool { return false }

func newSpill(dir string, limit int64) *spill {
	if dir == "" {
		dir = os.TempDir()
	}
	return &spill{dir: dir, max: limit, kept: map[uint32]*kept{}, told: spillGauge{new(atomic.Int64), new(atomic.Int64)}, file: os.CreateTemp}
}

func (s *spill) fail(err error) error { return &SpillError{Dir: s.dir, Err: err} }

// add keeps a message.
func (s *spill) add(st step, at change.LSN) error {
	k := s.kept[st.xid]
	if k == nil {
		var err error
		if k, err = s.open(st.xid); err != nil {
			return s.fail(err)
		}
	}
	if err := s.turnTo(k); err != nil {
		return err
	}
	size := spillHeader + 1 + int64(len(st.body))
	if s.used+size > s.max {
		return &SpillError{Dir: s.dir, Max: s.max}
	}
	var head [spillHeader + 1]byte
	binary.BigEndian.PutUint32(head[0:], uint32(1+len(st.body)))
	binary.BigEndian.PutUint32(head[4:], st.sub)
	binary.BigEndian.PutUint64(head[8:], uint64(at))
	head[spillHeader] = st.message
	_, err := s.out.Write(head[:])
	if err == nil {
		_, err = s.out.Write(st.body)
	}
	if err != nil {
		return s.fail(err)
	}
	k.size += size
	s.used += size
	s.tell()
	return nil
}

func (s *spill) open(xid uint32) (*kept, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	file, err := s.file(s.dir, "tandem-transaction-"+strconv.FormatUint(uint64(xid), 10)+"-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // a system that does not let go of an open file's name gets it back in drop
	k := &kept{file: file}
	s.kept[xid] = k
	return k, nil
}

// turnTo makes out write to k. The server sends a transaction's messages in blocks, so this is rare.
func (s *spill) turnTo(k *kept) error {
	if s.last == k {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.out == nil {
		s.out = bufio.NewWriterSize(k.file, spillWriteBytes)
	} else {
		s.out.Reset(k.file)
	}
	s.last = k
	return nil
}

func (s *spill) flush() error {
	if s.last == nil {
		return nil
	}
	if err := s.out.Flush(); err != nil {
		return s.fail(err)
	}
	return nil
}

// abort makes a part of a transaction void, or all of it.
func (s *spill) abort(xid, sub uint32) {
	k := s.kept[xid]
	switch {
	case k == nil:
	case xid == sub:
		s.drop(xid)
	default:
		if k.gone == nil {
			k.gone = map[uint32]struct{}{}
		}
		k.gone[sub] = struct{}{}
	}
}

// each gives back what was kept of a transaction, in its order, without what is void: only descriptions of tables stay, for the server does not repeat them
// to what follows in the transaction. data is valid until each's function returns.
func (s *spill) each(xid uint32, do func(data []byte, at change.LSN) error) error {
	k := s.kept[xid]
	if k == nil {
		return nil // it changed nothing that is published
	}
	if err := s.flush(); err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(k.file, 0, k.size), spillReadBytes)
	var head [spillHeader]byte
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
		if size > cap(data) || cap(data) > spillReadBytes && size <= spillReadBytes {
			data = make([]byte, max(size, spillReadBytes/64))
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

// drop forgets a transaction.
func (s *spill) drop(xid uint32) {
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

// close forgets all.
func (s *spill) close() {
	for xid := range s.kept {
		s.drop(xid)
	}
}
