package awsloop

// For the tests of the package's outside.
var (
	Bootstrap = bootstrap
	Native    = string(native())
	ErrorCode = errorCode
)
