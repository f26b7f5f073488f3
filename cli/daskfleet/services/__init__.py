"""What the commands do, without typer: callable from Python, testable without a terminal."""
