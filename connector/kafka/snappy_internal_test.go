package kafka

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// batches are what compresses well and what does not, shorter and longer than a block, and just as long.
func batches() map[string][]byte {
	noise := make([]byte, 3*snappyBlock+17)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(noise)
	var rows bytes.Buffer
	for i := 0; rows.Len() < 1_000_000; i++ {
		fmt.Fprintf(&rows, `{"before":null,"after":{"id":%d,"name":"person %d","n":%d},"source":{"version":"1.0.0","connector":"postgresql","name":"crm","lsn":%d},"op":"c"}`, i, i, i*7919%1000, 30_000_000+i*312)
	}
	return map[string][]byte{"nothing": {}, "a byte": {7}, "a block": rows.Bytes()[:snappyBlock], "a block and a byte": rows.Bytes()[:snappyBlock+1], "rows": rows.Bytes(), "noise": noise}
}

// Whoever reads Snappy reads it, and it is hardly larger than kgo's own.
func TestSnappyByBlocks(t *testing.T) {
	t.Parallel()
	theirs, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	if err != nil {
		t.Fatal(err)
	}
	ours, reader := &snappy{}, kgo.DefaultDecompressor()
	for name, batch := range batches() {
		var room, other bytes.Buffer
		out, codec := ours.Compress(&room, batch)
		back, err := reader.Decompress(out, codec)
		if err != nil || !bytes.Equal(back, batch) {
			t.Errorf("%s: %d bytes were read back of %d: %v", name, len(back), len(batch), err)
		}
		whole, _ := theirs.Compress(&other, batch)
		if len(out) > len(whole)*103/100+16 {
			t.Errorf("%s: %d bytes, and %d by kgo", name, len(out), len(whole))
		}
		if name == "rows" && room.Cap() > len(batch)/2 {
			t.Errorf("%s: room for %d bytes was taken for %d", name, room.Cap(), len(out))
		}
	}
}

// BenchmarkSnappy is a batch of a megabyte, ours and kgo's.
func BenchmarkSnappy(b *testing.B) {
	theirs, _ := kgo.DefaultCompressor(kgo.SnappyCompression())
	batch := batches()["rows"]
	for name, c := range map[string]kgo.Compressor{"ours": &snappy{}, "kgo": theirs} {
		b.Run(name, func(b *testing.B) {
			var room bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				room.Reset()
				out, _ := c.Compress(&room, batch)
				b.ReportMetric(float64(len(out))/float64(len(batch)), "ratio")
			}
			b.SetBytes(int64(len(batch)))
		})
	}
}
