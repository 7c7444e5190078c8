"""What a person types: one thin module per subcommand, imported when it is used."""
