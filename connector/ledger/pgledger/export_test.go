package pgledger

// TakeDue is the statement that tests explain.
const TakeDue = takeDue

// TakeDueOf gives the statement of a lane.
var TakeDueOf = takeDueOf
