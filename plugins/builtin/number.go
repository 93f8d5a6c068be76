package builtin

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Scale multiplies on the way to Notion and divides on the way back, exactly: no floating point is between.
type Scale struct {
	Factor      json.Number `json:"factor" required:"true" doc:"what the CRM's number is multiplied by: 0.01 makes euros of cents"`
	Row         string      `json:"row" enum:"int,decimal" doc:"what the column holds"`
	RowDecimals *int        `json:"row_decimals" doc:"digits after the point that a decimal column holds; default: any number"`
	Round       bool        `json:"round" doc:"a number from Notion that the column cannot hold exactly is rounded, half to even, instead of parked"`

	factor *big.Rat
}

var (
	_ sdk.Function  = (*Scale)(nil)
	_ sdk.Validator = (*Scale)(nil)
)

// decimalsMax bounds row_decimals: PostgreSQL's numeric holds 16383, nobody needs them here.
const decimalsMax = 1000

// Validate reads the factor.
func (s *Scale) Validate() []sdk.Diagnostic {
	var diags []sdk.Diagnostic
	factor, ok := parseDecimal(s.Factor.String())
	if !ok || factor.Sign() == 0 {
		return append(diags, sdk.Problem("factor", "write a decimal such as 0.01 that is not 0, without exponent", "%q is no factor", s.Factor))
	}
	s.factor = factor
	if s.RowDecimals != nil && (*s.RowDecimals < 0 || *s.RowDecimals > decimalsMax) {
		diags = append(diags, sdk.Problem("row_decimals", "use 0 to 1000", "%d digits after the point", *s.RowDecimals))
	}
	if s.RowDecimals != nil && s.Row == rowInt {
		diags = append(diags, sdk.Problem("row_decimals", "leave it out, or use \"row\": \"decimal\"", "an integer has no decimals"))
	}
	return diags
}

// ToNotion multiplies.
func (s *Scale) ToNotion(row change.Value) (change.Value, error) {
	if row.IsNull() {
		return row, nil
	}
	n, err := number(row)
	if err != nil {
		return change.Value{}, err
	}
	if most, limited := s.decimals(); limited && decimals(n) > most {
		return change.Value{}, sdk.BadValue("the column holds %s, which has more than %d decimals: correct \"row\" or \"row_decimals\"", row, most)
	}
	if s.Row == rowInt && !n.Num().IsInt64() {
		return change.Value{}, sdk.BadValue("%s is beyond a 64-bit integer: correct \"row\"", row)
	}
	return change.DecimalValue(decimalText(n.Mul(n, s.factor))), nil
}

// ToCRM divides.
func (s *Scale) ToCRM(field change.Value) (change.Value, error) {
	if field.IsNull() {
		return field, nil
	}
	n, err := number(field)
	if err != nil {
		return change.Value{}, err
	}
	n.Quo(n, s.factor)
	most, limited := s.decimals()
	if d := decimals(n); d < 0 || limited && d > most {
		if !s.Round || !limited {
			return change.Value{}, sdk.BadValue("%s divided by %s cannot be held exactly by the column: enter another number, or configure \"round\"", field, s.Factor)
		}
		n = round(n, most)
	}
	if s.Row != rowInt {
		return change.DecimalValue(decimalText(n)), nil
	}
	if !n.Num().IsInt64() {
		return change.Value{}, sdk.BadValue("%s divided by %s is beyond a 64-bit integer", field, s.Factor)
	}
	return change.IntValue(n.Num().Int64()), nil
}

// decimals is how many digits after the point the column holds, if that is limited.
func (s *Scale) decimals() (int, bool) {
	switch {
	case s.Row == rowInt:
		return 0, true
	case s.RowDecimals != nil:
		return *s.RowDecimals, true
	default:
		return 0, false
	}
}

// plainDecimal has no exponent: "1e999999999" is short and would fill the memory.
var plainDecimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?$`)

// digitsMax bounds a number: a double needs up to 1,100 digits.
const digitsMax = 2000

func parseDecimal(text string) (*big.Rat, bool) {
	if len(text) > digitsMax || !plainDecimal.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(strings.TrimSuffix(text, "."))
}

// number reads a value of any numeric kind; a float is the shortest decimal that means it.
func number(v change.Value) (*big.Rat, error) {
	text := v.String()
	switch v.Kind() {
	case change.Int, change.Decimal:
	case change.Float:
		text = strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return nil, sdk.BadValue("want a number, got %v", v.Kind())
	}
	n, ok := parseDecimal(text)
	if !ok {
		return nil, sdk.BadValue("%s is not a number that can be scaled", text)
	}
	return n, nil
}

// decimals is how many digits after the point n needs, -1 when no number of them is enough.
func decimals(n *big.Rat) int {
	d := new(big.Int).Set(n.Denom())
	twos := int(d.TrailingZeroBits())
	d.Rsh(d, uint(twos))
	fives := 0
	five, rest := big.NewInt(5), new(big.Int)
	for quotient := new(big.Int); ; fives++ {
		if quotient.QuoRem(d, five, rest); rest.Sign() != 0 {
			break
		}
		d.Set(quotient)
	}
	if d.Cmp(big.NewInt(1)) != 0 {
		return -1
	}
	return max(twos, fives)
}

// decimalText writes n, which has finitely many decimals, without zeros at the end.
func decimalText(n *big.Rat) string { return n.FloatString(decimals(n)) }

// round keeps digits after the point, half to even.
func round(n *big.Rat, digits int) *big.Rat {
	shift := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	shifted := new(big.Rat).Mul(n, shift)
	whole, rest := new(big.Int).DivMod(shifted.Num(), shifted.Denom(), new(big.Int)) // rest >= 0: DivMod rounds down
	twice := new(big.Int).Lsh(rest, 1)
	if c := twice.Cmp(shifted.Denom()); c > 0 || c == 0 && whole.Bit(0) == 1 {
		whole.Add(whole, big.NewInt(1))
	}
	return new(big.Rat).Quo(new(big.Rat).SetInt(whole), shift)
}
