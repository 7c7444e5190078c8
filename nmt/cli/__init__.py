"""The command line: one thin module per subcommand that parses, calls one function and prints."""
