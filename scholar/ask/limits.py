"""What one request may ask of the server, and how long anyone waits. No result depends on it, so it is no parameter."""

BODY_BYTES = 1_000_000  # of a request: 2 (text, bibliography) x 50,000 characters x 9 (a Chinese one, percent-encoded)
TEXT_CHARACTERS = 50_000  # of a text: a long paper
TITLE_CHARACTERS = 1_000  # of a title or a query: three times the longest title of arXiv
TEXTS = 32  # texts of a request
ENTRIES = 300  # of a bibliography, in a request: a survey's
PAIRS = 2_000  # citations times entries of a request: each is read by itself, and nobody else is answered meanwhile
HITS = 50  # of a search: nobody reads on
SENTENCES = 100  # of a pasted text whose intent the page tells; the rest are counted there
BATCH_TEXTS = 64  # answered together: more fill the memory, and are no faster on a CPU
WAITING = 64  # requests in the queue; one more is refused, since it would wait longer than anyone likes
RETRY_SECONDS = 5  # what a refused one is told to wait: a few batches
ANSWER_SECONDS = 60  # from arrival to answer, the time in the queue included; a summary takes some ten
REQUEST_SECONDS = 90  # to send the headers, and from there to the last byte of the answer: a slow sender ends here
CONNECTIONS = 512  # open at once, below the 1,024 files that a process may usually open
