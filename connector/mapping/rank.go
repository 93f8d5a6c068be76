package mapping

// rank orders entities so that what a relation points to comes first: the length of the longest way through the relations,
// where entities that point at each other in a circle count as one and share a rank.
func rank(docs []Document) map[string]int {
	g := graph{edges: map[string][]string{}, index: map[string]int{}, low: map[string]int{}, onStack: map[string]bool{}, circle: map[string]int{}}
	for _, d := range docs {
		for _, r := range d.Fields {
			if r.Relation != nil {
				g.edges[d.Entity] = append(g.edges[d.Entity], r.Relation.Entity)
			}
		}
	}
	for _, d := range docs {
		if _, ok := g.index[d.Entity]; !ok {
			g.visit(d.Entity)
		}
	}
	// Tarjan's circles come out targets first, so each target's rank is known when it is needed.
	ranks := map[string]int{}
	for _, members := range g.circles {
		r := 0
		for _, m := range members {
			for _, target := range g.edges[m] {
				if g.circle[target] != g.circle[m] {
					r = max(r, ranks[target]+1)
				}
			}
		}
		for _, m := range members {
			ranks[m] = r
		}
	}
	return ranks
}

// graph finds strongly connected components as Tarjan does (SIAM J. Comput. 1, 1972).
type graph struct {
	edges      map[string][]string
	index, low map[string]int
	stack      []string
	onStack    map[string]bool
	circles    [][]string
	circle     map[string]int
}

func (g *graph) visit(name string) {
	g.index[name] = len(g.index)
	g.low[name] = g.index[name]
	g.stack, g.onStack[name] = append(g.stack, name), true
	for _, target := range g.edges[name] {
		if _, seen := g.index[target]; !seen {
			g.visit(target)
			g.low[name] = min(g.low[name], g.low[target])
		} else if g.onStack[target] {
			g.low[name] = min(g.low[name], g.index[target])
		}
	}
	if g.low[name] != g.index[name] {
		return
	}
	for i := len(g.stack) - 1; ; i-- {
		member := g.stack[i]
		g.onStack[member] = false
		g.circle[member] = len(g.circles)
		if member == name {
			g.circles, g.stack = append(g.circles, append([]string(nil), g.stack[i:]...)), g.stack[:i]
			return
		}
	}
}
