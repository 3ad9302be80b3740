# Makes ordinary comments of a C header into those that Doxygen reads: the first one documents the
# file, one that begins a line what follows it, one behind a member, an enumerator or a macro what
# stands before it. Headings of sections (/* ---- …, /* -- …) stay as they are. An indented block in
# a comment gets the empty line that makes it one for Markdown.
/^ +\*     / && previous ~ /^ *\/?\*+ [^ ]/ { print substr($0, 1, index($0, "*")) }
{ previous = $0 }
/^\/\*/ && !first++ { sub(/^\/\*/, "/** @file\n *\n *"); print; next }
/^ *\/\* --/ { print; next }
/^ *\/\*/ { sub(/\/\*/, "/**"); print; next }
/^#define / || (/[;,] +\/\* / && !/\(.*, +\/\*/) { sub(/\/\*/, "/**<"); print; next }
{ print }
