# Rewrites the two constructs of CUDA C++ that a C++ compiler does not accept as calls of the
# emulator:
#
#   kernel<T><<<grid, block, bytes, stream>>>(a, b);   a launch
#   __shared__ float tile[32][33];                     a variable of the block
#   extern __shared__ float dynamic[];                 the launch's shared memory
#
# Everything else is unchanged, line by line, so that messages and debuggers show the source. POSIX
# awk: awk -v path=NAME_IN_MESSAGES -f rewrite.awk kernel.cu > kernel.cu.cpp

function die(position, what,    before, line) {
    before = substr(code, 1, position)
    line = gsub(/\n/, "", before) + 1
    printf "%s:%d: %s\n", path, line, what > "/dev/stderr"
    failed = 1
    exit 1
}

function spaces(n,    s) {
    s = sprintf("%" n "s", "")
    return s
}

# Returns `text` with everything but newlines replaced by blanks.
function blank(text) {
    gsub(/[^\n]/, " ", text)
    return text
}

# Returns the text with comments and literals blanked out, so that positions are unchanged.
function code_only(text,    out, at, n, end, rest, c) {
    out = ""
    while (match(text, /\/\/|\/\*|"|'/)) {
        at = RSTART
        c = substr(text, at, 2)
        if (c == "//") {
            rest = substr(text, at)
            end = index(rest, "\n")
            n = end ? end - 1 : length(rest)
        } else if (c == "/*") {
            rest = substr(text, at + 2)
            end = index(rest, "*/")
            n = end ? end + 3 : length(rest) + 2
        } else if (substr(c, 1, 1) == "'" && substr(text, at - 1, 1) ~ /[0-9]/) {
            n = 1 # 1'000: a separator of digits
        } else {
            c = substr(c, 1, 1)
            n = 1
            while (at + n <= length(text) && substr(text, at + n, 1) != c) {
                if (substr(text, at + n, 1) == "\\")
                    n++
                n++
            }
            n++
        }
        out = out substr(text, 1, at - 1) blank(substr(text, at, n))
        text = substr(text, at + n)
    }
    return out text
}

# Returns the position of the bracket that closes the one at `at`.
function closing(at, open, close_,    depth, c, i) {
    depth = 0
    for (i = at; i <= length(code); i++) {
        c = substr(code, i, 1)
        if (c == open)
            depth++
        else if (c == close_ && --depth == 0)
            return i
    }
    die(at, "no " close_ " closes this " open)
}

# Returns the position of the bracket that opens the one at `at`.
function opening(at, open, close_,    depth, c, i) {
    depth = 0
    for (i = at; i > 0; i--) {
        c = substr(code, i, 1)
        if (c == ")" && close_ == ">")
            i = opening(i, "(", ")") # a comparison in parentheses is no bracket
        else if (c == close_)
            depth++
        else if (c == open && --depth == 0)
            return i
    }
    die(at, "no " open " opens this " close_)
}

function skip_back(i) {
    while (i > 0 && substr(code, i, 1) ~ /[ \t\n\\]/)
        i--
    return i
}

# Returns the start of the kernel's name before the <<< at `at`.
function kernel_start(at,    i) {
    i = skip_back(at - 1)
    if (substr(code, i, 1) == ">")
        i = skip_back(opening(i, "<", ">") - 1)
    if (substr(code, i, 1) == ")")
        return opening(i, "(", ")")
    if (substr(code, i, 1) !~ /[A-Za-z0-9_]/)
        die(at, "<<< does not follow the name of a kernel")
    while (i > 0 && substr(code, i, 1) ~ /[A-Za-z0-9_:]/)
        i--
    return i + 1
}

# Rewrites the launch at `at`: sets `from` and `to` (its extent) and `result`.
function launch(at,    stop, open, close_, kernel, config, args, name, part, entry) {
    from = kernel_start(at)
    stop = index(substr(code, at + 3), ">>>")
    if (!stop)
        die(at, "no >>> ends this launch")
    stop += at + 2
    match(substr(code, stop + 3), /^[ \t\n\\]*/)
    open = stop + 3 + RLENGTH
    if (substr(code, open, 1) != "(")
        die(at, "a launch needs its arguments in parentheses")
    close_ = closing(open, "(", ")")
    kernel = substr(source, from, at - from)
    config = substr(source, at + 3, stop - at - 3)
    args = substr(source, open + 1, close_ - open - 1)
    name = kernel
    gsub(/[ \t\n\\]+/, " ", name)
    sub(/ $/, "", name)
    # with dynamic shared memory it matters which kernel it is, so its template arguments are written
    entry = split_list(config, part) > 2 && part[3] !~ /^[ \t\n\\]*0[ \t\n\\]*$/
    entry = entry ? "::cuda_on_cpu::entry(" name ")" : "nullptr"
    result = "::cuda_on_cpu::launch(\"" name "\", " entry ", [=](const auto &...argument_) { " kernel \
        "(argument_...); }, ::cuda_on_cpu::shape(" config ")" \
        (substr(code, open + 1, close_ - open - 1) ~ /[^ \t\n\\]/ ? ", " args : blank(args)) ")"
    to = close_
}

# Returns the start of the declaration that contains the __shared__ at `at`.
function declaration_start(at,    i, line) {
    for (i = at; i > 1; i--) {
        if (substr(code, i - 1, 1) ~ /[;{}]/)
            break
        if (substr(code, i - 1, 1) == "\n") {
            line = substr(code, 1, i - 2)
            sub(/.*\n/, "", line)
            if (line ~ /^[ \t]*#/)
                break
        }
    }
    while (substr(code, i, 1) ~ /[ \t\n\\]/)
        i++
    return i
}

# Splits `list` at commas outside brackets into part[1 …]; returns the count.
function split_list(list, part,    n, depth, angle, i, c) {
    n = 1
    depth = angle = 0
    part[1] = ""
    for (i = 1; i <= length(list); i++) {
        c = substr(list, i, 1)
        if (c ~ /[\[({]/)
            depth++
        if (c ~ /[\])}]/)
            depth--
        if (depth == 0 && c ~ /[<>]/)
            angle += c == "<" ? 1 : -1
        if (c == "," && depth == 0 && angle == 0)
            part[++n] = ""
        else
            part[n] = part[n] c
    }
    return n
}

# Rewrites the declaration of shared memory at `at`: sets from, to, result.
function shared(at,    text, align, dynamic, lines, n, part, k, first, depth, i, c, name, type, dims) {
    from = declaration_start(at)
    to = at + index(substr(code, at), ";") - 1
    text = substr(code, from, to - from) # without comments
    lines = blank(text)
    gsub(/ /, "", lines)
    gsub(/[\n\\]/, " ", text)
    align = "0"
    if (match(text, /(__align__|alignas) *\([^()]*(\([^()]*\)[^()]*)*\)/)) {
        align = substr(text, RSTART, RLENGTH)
        text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + RLENGTH)
        sub(/^[^(]*\(/, "", align)
        sub(/\)$/, "", align)
        align = "::cuda_on_cpu::alignment(" align ")"
    }
    dynamic = text ~ /(^|[^A-Za-z0-9_])extern([^A-Za-z0-9_]|$)/
    sub(/__shared__/, " ", text)
    sub(/(^| )extern /, " ", text)
    sub(/(^| )static /, " ", text)
    sub(/^ +/, "", text)
    n = split_list(text, part)
    result = ""
    for (k = 1; k <= n; k++) {
        # the name is before the first [ outside brackets, or at the end
        depth = 0
        first = length(part[k]) + 1
        for (i = 1; i <= length(part[k]); i++) {
            c = substr(part[k], i, 1)
            if (c == "[" && depth == 0) {
                first = i
                break
            }
            if (c ~ /[(<]/)
                depth++
            if (c ~ /[)>]/)
                depth--
        }
        dims = substr(part[k], first)
        name = substr(part[k], 1, first - 1)
        sub(/ +$/, "", name)
        if (!match(name, /[A-Za-z_][A-Za-z0-9_]*$/))
            die(at, "a __shared__ declaration that the emulator does not support")
        if (k == 1)
            type = substr(name, 1, RSTART - 1)
        name = substr(name, RSTART)
        if (dims ~ /=/ || type !~ /[A-Za-z]/)
            die(at, "shared memory has a type and no initial value")
        if (dynamic)
            result = result "auto *const " name " = ::cuda_on_cpu::dynamic_shared<" type ">(" align "); "
        else
            result = result "static ::cuda_on_cpu::shared_variable<" type dims "> " name "_slot_; auto &" \
                name " = " name "_slot_.get(" align "); "
    }
    result = result lines
}

{ source = source $0 "\n" }

END {
    if (failed)
        exit 1
    code = code_only(source)
    printf "#line 1 \"%s\"\n", path
    done = 0 # characters that are written
    scan = 1 # where to look next
    while (match(substr(code, scan), /<<<|(^|[^A-Za-z0-9_])__shared__[^A-Za-z0-9_]/)) {
        at = scan + RSTART - 1
        if (substr(code, at, 3) == "<<<") {
            launch(at)
        } else {
            if (substr(code, at, 1) != "_")
                at++
            shared(at)
        }
        printf "%s%s", substr(source, done + 1, from - done - 1), result
        done = to
        scan = to + 1
    }
    printf "%s", substr(source, done + 1)
}
