package pgserver

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// copyFrom fills the data folder with a backup of a running server, as pg_basebackup does, which is not among the binaries that everybody has.
// It speaks the form of PostgreSQL 15 and newer. https://www.postgresql.org/docs/current/protocol-replication.html (BASE_BACKUP)
func (s *Server) copyFrom(ctx context.Context, from *Server) error {
	conn, err := pgconn.Connect(ctx, from.DSN("postgres")+"&replication=true")
	if err != nil {
		return fmt.Errorf("copy a server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	conn.Frontend().SendQuery(&pgproto3.Query{String: "BASE_BACKUP (LABEL 'copy', CHECKPOINT 'fast', WAL true, WAIT false, MANIFEST 'no')"})
	if err := conn.Frontend().Flush(); err != nil {
		return fmt.Errorf("copy a server: %w", err)
	}
	reader, writer := io.Pipe()
	received := make(chan error, 1)
	go func() {
		err := receiveArchive(ctx, conn, writer)
		writer.CloseWithError(err)
		received <- err
	}()
	err = s.unpack(reader)
	reader.CloseWithError(err)
	if err := errors.Join(err, <-received); err != nil {
		return fmt.Errorf("copy a server: %w", err)
	}
	return nil
}

// receiveArchive writes what the messages of BASE_BACKUP carry of the cluster's archive: 'n' begins an archive, 'd' is data of it.
func receiveArchive(ctx context.Context, conn *pgconn.PgConn, to io.Writer) error {
	for {
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if len(m.Data) > 0 && m.Data[0] == 'd' {
				if _, err := to.Write(m.Data[1:]); err != nil {
					return err
				}
			}
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

// unpack makes data/ of an archive. Links (tablespaces) are not expected.
func (s *Server) unpack(archive io.Reader) error {
	data := filepath.Join(s.base, "data")
	made := []string{data}
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	tape := tar.NewReader(archive)
	for {
		header, err := tape.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		path := filepath.Join(data, filepath.FromSlash(header.Name))
		if header.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			err = writeFile(path, tape)
		}
		if err != nil {
			return err
		}
		made = append(made, path)
	}
	for _, path := range made {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := s.identity.own(path, info.Mode().Perm()); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, archive) // what is behind the end of the archive
	return err
}

func writeFile(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
