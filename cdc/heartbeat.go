package cdc

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// actOnBeat runs heartbeat.action.query with every heartbeat, over a connection of its own, until ctx ends. What fails is said once and tried again
// with the next: a heartbeat is no reason to stop.
func (s *session) actOnBeat(ctx context.Context) {
	if s.config.HeartbeatQuery == "" || s.config.HeartbeatInterval <= 0 {
		return
	}
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	failing := false
	ticker := time.NewTicker(s.config.HeartbeatInterval)
	defer ticker.Stop()
	for {
		err := s.actOnce(ctx, &conn)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Warn("heartbeat.action.query fails; it is tried again with every heartbeat", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *session) actOnce(ctx context.Context, conn **pgx.Conn) (err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if *conn == nil || (*conn).IsClosed() {
		if *conn, err = postgres.Connect(ctx, s.config.Database); err != nil {
			*conn = nil
			return err
		}
	}
	_, err = (*conn).Exec(ctx, s.config.HeartbeatQuery)
	return postgres.Explain(err)
}
