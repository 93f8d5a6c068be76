package main

import (
	"fmt"
	"testing"
	"time"
)

func (w *world) contact(id int, name, email, phone string) {
	w.t.Helper()
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())`, id, name, email, phone)
}

func TestAContactTravelsAndAnEditComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 3 {
		w.contact(i+1, fmt.Sprintf("Person %d", i+1), fmt.Sprintf("p%d@example.com", i+1), "06 12 34 56 7"+fmt.Sprint(i))
	}
	w.start()
	w.eventually("three pages", 60*time.Second, func() string {
		pages, err := w.pages("contact")
		if err != nil {
			return err.Error()
		}
		if len(pages) != 3 {
			return fmt.Sprint(len(pages), " pages")
		}
		return ""
	})
}
