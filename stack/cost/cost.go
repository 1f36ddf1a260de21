// Package cost estimates what an installation costs in a month.
package cost

// Estimate is the cost of a month of 30 days, in US dollars.
type Estimate struct {
	Region string  `json:"region"`
	Priced string  `json:"priced"` // the date of the price list: 2026-05-01
	Items  []Item  `json:"items"`
	Total  float64 `json:"total"`
}

// Item is one line of the estimate.
type Item struct {
	Service  string  `json:"service"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"` // "invocations"
	Dollars  float64 `json:"dollars"`
}
