package pgledger

// TakeDue is the statement that tests explain.
const TakeDue = takeDue
