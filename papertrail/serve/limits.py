"""Limits of requests and of waiting times. Results do not depend on them, so they are not in params.yaml."""

BODY_BYTES = 1_000_000  # of a request: 2 fields x 50,000 characters x 9 bytes (a percent-encoded Chinese character)
TEXT_CHARACTERS = 50_000  # of a text: a long paper
TITLE_CHARACTERS = 1_000  # of a title or a query: three times the longest title of arXiv
TEXTS = 32  # per request
ENTRIES = 300  # of a bibliography: enough for a survey
PAIRS = 2_000  # citations times entries of a request: the model reads each pair, and other requests wait meanwhile
HITS = 50  # per query
SENTENCES = 100  # of a text that the page labels; it shows how many more there are
BATCH_TEXTS = 64  # answered together: more need more memory, and are not faster on a CPU
WAITING = 64  # requests in the queue; further ones are refused, because they would wait too long
RETRY_SECONDS = 5  # after which a refused client should retry: a few batches
ANSWER_SECONDS = 60  # from arrival to answer, including the time in the queue; a summary takes about ten
REQUEST_SECONDS = 90  # for the headers of a request, and from there to the last byte of the response
CONNECTIONS = 512  # open at once; below the usual limit of 1,024 open files per process
