package alert

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// receiver is a webhook that keeps what it got.
func receiver(t *testing.T, status int) (address string, got chan map[string]string) {
	t.Helper()
	got = make(chan map[string]string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m := map[string]string{}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("not JSON: %q", body)
		}
		got <- m
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // the service's client
	return strings.TrimPrefix(server.URL, "http://"), got
}

var message = Message{ID: "6f1c", Title: "Tandem: conflict", Text: "phone of contact 7 was changed in both places"}

func TestAWebhookIsTold(t *testing.T) {
	host, got := receiver(t, http.StatusOK)
	target, err := New("generic+http://" + host + "/hook/topsecret?template=json")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m["title"] != message.Title || m["message"] != message.Text+"\n(6f1c)" {
		t.Errorf("got %q", m)
	}
}

// What Slack's incoming webhooks, Mattermost's and Rocket.Chat's take: an object with text in it.
func TestASlackShapedWebhookIsTold(t *testing.T) {
	host, got := receiver(t, http.StatusOK)
	target, err := New("generic+http://" + host + "/services/T000/B000/XXXX?template=json&messagekey=text")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m["text"] != message.Text+"\n(6f1c)" {
		t.Errorf("got %q", m)
	}
}

func TestWhatATargetSaysHoldsNoSecret(t *testing.T) {
	host, _ := receiver(t, http.StatusBadRequest)
	for _, address := range []string{
		"generic+http://" + host + "/hook/topsecret?template=json",
		"generic+http://127.0.0.1:1/hook/topsecret?template=json", // nobody listens
		"smtp://user:topsecret@127.0.0.1:1/?from=a@example.com&to=topsecret@example.com",
	} {
		target, err := New(address)
		if err != nil {
			t.Fatal(err)
		}
		err = target.Send(t.Context(), message)
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", target, err)
		}
		if strings.Contains(fmt.Sprintf("%v %s", target, target.Name()), "topsecret") {
			t.Errorf("the name holds a secret: %s", target)
		}
	}
}

func TestBadAddressesAreAllSaidWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	_, err := Parse("carrier-pigeon://topsecret@loft\nslack://topsecret\n://topsecret logger://")
	if err == nil {
		t.Fatal("they are taken")
	}
	for _, want := range []string{"address 1", `no service "carrier-pigeon"`, "smtp", "address 2", "slack", "address 3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "address 4") {
		t.Error(err)
	}
	if targets, err := Parse("logger:// \n generic://example.com?template=json"); err != nil || len(targets) != 2 || targets[0].Name() == targets[1].Name() {
		t.Errorf("%v, %v", targets, err)
	}
}

// A service without a limit of its own must not hold the relay up, nor pile up requests.
func TestATargetThatNeverAnswersIsLeft(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Cleanup(server.Close)
	target, err := New("generic+" + server.URL + "/?template=json")
	if err != nil {
		t.Fatal(err)
	}
	target.timeout = 10 * time.Millisecond
	if err := target.Send(t.Context(), message); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Fatal(err)
	}
	if err := target.Send(t.Context(), message); err == nil || !strings.Contains(err.Error(), "still under way") {
		t.Fatal(err)
	}
	close(release)
	target.busy <- struct{}{} // the first one has ended
	<-target.busy
}

// mailbox is the least of a mail server: it takes one mail.
func mailbox(t *testing.T) (address string, mail chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	mail = make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewScanner(conn)
		say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
		say("220 mail.test ready")
		for in.Scan() {
			switch verb := strings.ToUpper(strings.Fields(in.Text() + " ?")[0]); verb {
			case "EHLO", "HELO":
				say("250 mail.test")
			case "DATA":
				say("354 go on")
				var body []string
				for in.Scan() && in.Text() != "." {
					body = append(body, in.Text())
				}
				mail <- strings.Join(body, "\n")
				say("250 taken")
			case "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
	return listener.Addr().String(), mail
}

func TestAMailIsSent(t *testing.T) {
	t.Parallel()
	host, mail := mailbox(t)
	target, err := New("smtp://" + host + "/?auth=None&encryption=None&usestarttls=no&from=tandem@example.com&to=ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	got := <-mail
	for _, want := range []string{"Subject: " + message.Title, "ops@example.com", message.Text, "6f1c"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the mail:\n%s", want, got)
		}
	}
}
