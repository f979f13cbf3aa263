"""Why a tracker takes less time than runfolio, where it does; said on the page."""

BY_HAND = "By hand: `json.loads` of one small file a run, without types, checksums, states or a look for damage."
LISTED = (
    "One small file is read for each run; runfolio checks each `run.json` by its checksum, looks how long every "
    "journal is, and makes a frame of typed columns."
)
SMALL = (
    "The run is one small file that is read at once; runfolio opens several, decodes typed records, and checks "
    "each line and what may be missing."
)
TEXT = "A few numbers as text; runfolio reads whole records, checks each line and what may be missing."
DATABASE = "One query of one file; there is no folder for each run that can be moved, sent, or damaged alone."
INDEX = "It reads an index, which was made before and is not in the time."
SPINNING = "A loop without a pause, which takes a whole core; runfolio sleeps until the kernel tells it of a change."
PLAIN = (
    "It keeps a file that plain `to_parquet` wrote; runfolio compresses more, gives pages checksums, describes columns "
    '(range, mean, distinct values; `profile="digest"` leaves these out) and takes a SHA-256.'
)
MEMORY_AS_IT_IS = (
    "It writes memory as it is, without a description or a digest, at more than twice the size. Reading it runs what "
    "is in the file, and needs Python with like packages."
)
LATER = "It appends to a list in memory, and nothing is on disk before the end: `kill -9` loses all."
HEARTBEAT = "It appends to a list in memory, which a thread writes every 10 s: `kill -9` loses what came since."
