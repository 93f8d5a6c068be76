package kafka

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// snappyBlock is how much is compressed at a time: of 32 KiB to a megabyte the quickest (BenchmarkSnappy).
const snappyBlock = 256 << 10

// snappy compresses batches block by block, so that the buffer grows to what comes out. kgo's own wants room for a batch that does not shrink, a megabyte and
// more for each buffer in its pool, which the garbage collector doubles. What comes out is one Snappy block, as any reader expects.
// https://github.com/google/snappy/blob/main/format_description.txt
type snappy struct {
	rooms sync.Pool // of *[]byte, which hold a compressed block
}

var _ kgo.Compressor = (*snappy)(nil)

// Compress implements kgo.Compressor.
func (s *snappy) Compress(dst *bytes.Buffer, batch []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	room, _ := s.rooms.Get().(*[]byte)
	if room == nil {
		made := make([]byte, s2.MaxEncodedLen(snappyBlock))
		room = &made
	}
	defer s.rooms.Put(room)
	dst.Write(binary.AppendUvarint(dst.AvailableBuffer(), uint64(len(batch))))
	for len(batch) > 0 {
		block := batch[:min(len(batch), snappyBlock)]
		batch = batch[len(block):]
		out := s2.EncodeSnappy(*room, block)
		_, own := binary.Uvarint(out) // the block's length, which is said once for all
		dst.Write(out[own:])
	}
	return dst.Bytes(), kgo.CodecSnappy
}
