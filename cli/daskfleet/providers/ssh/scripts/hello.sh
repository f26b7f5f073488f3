# Nothing but whether somebody answers.
exit 0
