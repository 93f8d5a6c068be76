package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parsers of the types. Their errors are clauses that follow the key's name, without the value.

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func parseInt(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("must be between %d and %d", math.MinInt32, math.MaxInt32)
	}
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return int(n), nil
}

func parseLong(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("must fit into 64 bits")
	}
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return n, nil
}

func parseDouble(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("must be a number")
	}
	return f, nil
}

func parseMillis(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		if _, isDuration := time.ParseDuration(text); isDuration == nil {
			return 0, errors.New("must be milliseconds without a unit: 5 minutes are 300000")
		}
		return 0, errors.New("must be a whole number of milliseconds")
	}
	const most = math.MaxInt64 / int64(time.Millisecond)
	if n > most || n < -most {
		return 0, errors.New("must be less than 292 years")
	}
	return time.Duration(n) * time.Millisecond, nil
}

func parseList(text string) ([]string, error) {
	var out []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out, nil
}

// OneOf lets these words pass.
func OneOf(words ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(words, value) {
			return nil
		}
		return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
	}
}

// Between lets numbers from low to high pass, both included; for durations they are milliseconds.
func Between(low, high float64) func(string) error {
	return func(value string) error {
		f, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return errors.New("must be a number")
		case f < low || f > high:
			return fmt.Errorf("must be between %s and %s", number(low), number(high))
		}
		return nil
	}
}

// AtLeast lets numbers from low pass.
func AtLeast(low float64) func(string) error {
	return func(value string) error {
		if f, err := strconv.ParseFloat(value, 64); err != nil || f < low {
			return fmt.Errorf("must be %s or more", number(low))
		}
		return nil
	}
}

// Matches lets text pass that the whole of pattern matches; otherwise says must, such as "must be letters and digits".
func Matches(pattern, must string) func(string) error {
	re := regexp.MustCompile(`\A(?:` + pattern + `)\z`)
	return func(value string) error {
		if re.MatchString(value) {
			return nil
		}
		return errors.New(must)
	}
}

// Anchored compiles a regular expression (RE2) that must match the whole of a name; space around it does not count.
func Anchored(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile("^(?:" + strings.TrimSpace(pattern) + ")$")
}

// All asks one validator after the other and reports the first complaint.
func All(validators ...func(string) error) func(string) error {
	return func(value string) error {
		for _, validate := range validators {
			if err := validate(value); err != nil {
				return err
			}
		}
		return nil
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
