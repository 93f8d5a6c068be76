package pgoutput

import (
	"bytes"
	"encoding/binary"
	"time"
)

// wire reads the fields of one message in their order. What is asked for beyond the end is zero, and short says so: the caller looks once,
// at the end. Nothing is copied: bytes belong to the message.
type wire struct {
	data  []byte
	short bool
}

func (w *wire) take(n int) []byte {
	if n < 0 || n > len(w.data) {
		w.data, w.short = nil, true
		return nil
	}
	head := w.data[:n]
	w.data = w.data[n:]
	return head
}

func (w *wire) uint8() byte {
	if b := w.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (w *wire) uint16() uint16 {
	if b := w.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (w *wire) uint32() uint32 {
	if b := w.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (w *wire) uint64() uint64 {
	if b := w.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// text reads what ends with a zero byte.
func (w *wire) text() string {
	n := bytes.IndexByte(w.data, 0)
	if n < 0 {
		w.data, w.short = nil, true
		return ""
	}
	return string(w.take(n + 1)[:n])
}

// epoch is PostgreSQL's: its times count microseconds from here.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *wire) time() time.Time {
	micros := int64(w.uint64())
	return time.UnixMicro(epoch.UnixMicro() + micros).UTC()
}
