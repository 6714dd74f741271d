"""Names of blobs that somebody may choose, each with what is awkward about it."""

#: Whose container Azurite can list.
LISTED = {
    "longest": "n" * 1020 + ".txt",
    "longest-not-ascii": "ü" * 1024,
    "longest-of-astral-characters": "\N{GRINNING FACE}" * 512,
    "most-segments": "/".join("s" * 254),
    "one-character": "a",
    "spaces": " leading, double  and trailing ",
    "delete-and-c1": "delete\x7fnext-line\x85.txt",
    "byte-order-mark": "\ufeffmark.txt",
    "only-dots": "...",
    "dots-inside": "..a/b../...c/d",
    "trailing-dots": "trailing...",
    "trailing-slash": "folder/",
    "trailing-slashes": "folder//",
    "leading-slash": "/leading.txt",
    "empty-segments": "a//b///c.txt",
    "quotes": "it's a \"name\" with `ticks` ''.txt",
    "command": "$(touch x) `touch y` ; touch z | tee w & $HOME ${PATH} !!.txt",
    "glob": "*?[a-z]{b,c}~.txt",
    "redirections": "a > b < c >> d.txt",
    "option": "-rf",
    "long-option": "--help=yes",
    "hidden": ".hidden",
    "windows": "CON.txt:stream|<>^%PATH%",
    "right-to-left": "\u202egnp.exe-\u05e9\u05dc\u05d5\u05dd-\u0645\u0631\u062d\u0628\u0627.txt",
    "combining": "e\u0301\u0323\u0328 Z\u0351\u036b\u0343a\u0314l\u0360g\u0300o\u030a.txt",
    "emoji": "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\ufe0f.bin",
    "percent": "100%2F%2e%2e%00%zz%.txt",
    "plus-and-query": "a+b c?d=e&f#g;h=1.txt",
    "json": '{"a": [1, null]}.txt',
    "xml": "<a b='c'>&amp;]]></a>.txt",
    "odata": "' or PartitionKey ne '.txt",
    "format": "{0} %s %(x)s {blob}.txt",
    "upper-case": "CASE.TXT",
    "lower-case": "case.txt",
    "composed": "caf\u00e9.txt",
    "decomposed": "cafe\u0301.txt",
    "compatibility": "\ufb01le\u2460.txt",
    "plain-twin-of-compatibility": "file1.txt",
    "like-an-output": "a.txt/20261123T080102-a-txt-0123456789abcdef/stdout.txt",
}

#: What XML cannot hold makes every listing of its container fail in Azurite 3.35. Azure encodes such names:
#: https://learn.microsoft.com/rest/api/storageservices/list-blobs (since version 2021-02-12).
UNLISTED = {
    "control-characters": "bell\x07 escape\x1b[31m backspace\x08.txt",
    "noncharacter": "non\uffffcharacter.txt",
}

#: Names that Azurite keeps under another: what was asked for, and what it is called then.
STORED = {
    "backslash": ("back\\slash.txt", "back/slash.txt"),
    "backslashes": ("a\\b\\c.txt", "a/b/c.txt"),
}
