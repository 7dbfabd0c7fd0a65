//! Where code comes from: scripts, functions and the variables of scopes.
//!
//! A `ScopeInfo` is a row of words whose beginning differs between versions: V8's constants say where the number of
//! variables and the first of them stand, and the rest follows from what kind of word comes where.

use crate::heap::{Heap, small_integer};
use crate::layout::Known;
use crate::signatures::mix;
use crate::text::LONGEST_NAME;

/// A place in a script.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Source {
    /// The script's name: a path, a URL, or a name of Node's own.
    pub(crate) script: String,
    /// The script's source text in the heap, 0 without one.
    pub(crate) text: u64,
    /// Letters before the function, when that is known.
    pub(crate) start: Option<u32>,
    /// The function's name, empty for none.
    pub(crate) function: String,
}

impl Source {
    /// Whether it is the program's own code or a package's, not Node's.
    pub(crate) fn is_program(&self) -> bool {
        is_program(&self.script)
    }
}

/// Whether a script is the program's own or a package's, not Node's and not code without a name.
pub(crate) fn is_program(script: &str) -> bool {
    !script.is_empty() && !script.starts_with("node:") && (script.contains('/') || script.contains('\\'))
}

impl Heap<'_> {
    /// The `SharedFunctionInfo` of a function; `None` for what is no function.
    pub(crate) fn shared(&mut self, function: u64) -> Option<u64> {
        let shared = self.field(function, self.layout.function_shared)?;
        (self.type_of(shared) == self.layout.instance_type(Known::SharedFunctionInfo)).then_some(shared)
    }

    /// A function's own name.
    pub(crate) fn shared_name(&mut self, shared: u64) -> String {
        let Some(name) = self.field(shared, self.layout.shared_name) else { return String::new() };
        if self.is_string(name) {
            return self.text(name, LONGEST_NAME);
        }
        self.scope_name(name).map(|name| self.text(name, LONGEST_NAME)).unwrap_or_default()
    }

    /// Script, position and name of a function.
    pub(crate) fn source_of(&mut self, shared: u64) -> Source {
        let function = self.shared_name(shared);
        let start = self.start_of(shared);
        let (script, text) = self.script_of(shared).map(|script| self.script(script)).unwrap_or_default();
        Source { script, text, start, function }
    }

    /// The name of a script, and its source text.
    pub(crate) fn script(&mut self, script: u64) -> (String, u64) {
        let source = self.field(script, self.layout.script_source).unwrap_or(0);
        let name = self.field(script, self.layout.script_name).filter(|name| self.is_string(*name));
        (name.map(|name| self.text(name, 1024)).unwrap_or_default(), source)
    }

    /// The script of a `SharedFunctionInfo`.
    pub(crate) fn script_of(&mut self, shared: u64) -> Option<u64> {
        let script = self.field(shared, self.layout.shared_script)?;
        let wanted = self.layout.instance_type(Known::Script);
        if self.layout.type_name(self.type_of(script)) == Some("DebugInfo") {
            // The debugger is attached: the script stands in what it keeps.
            return (1..8).find_map(|word| {
                self.field(script, word * 8).filter(|inner| self.type_of(*inner) == wanted)
            });
        }
        (self.type_of(script) == wanted).then_some(script)
    }

    /// Where a function begins in its script, letters.
    pub(crate) fn start_of(&mut self, shared: u64) -> Option<u32> {
        if let Some(scope) = self.field(shared, self.layout.shared_name)
            && self.is_scope(scope)
        {
            return self.scope_start(scope);
        }
        [8, 16].into_iter().find_map(|offset| {
            let data = self.field(shared, offset)?;
            let name = self.layout.type_name(self.type_of(data))?;
            name.starts_with("UncompiledData").then_some(())?;
            Some(self.memory.half(data + self.layout.uncompiled_start))
        })
    }

    /// Whether an object is a `ScopeInfo`.
    pub(crate) fn is_scope(&self, object: u64) -> bool {
        self.type_of(object) == self.layout.instance_type(Known::ScopeInfo)
    }

    fn scope_locals(&self, scope: u64) -> u64 {
        small_integer(self.memory.word(scope + self.layout.scope_locals))
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0)
    }

    /// Where a scope begins in its script, letters.
    pub(crate) fn scope_start(&mut self, scope: u64) -> Option<u32> {
        let size = u64::from(self.size(scope));
        // Start and end are two small integers in a row: first of all, or in older versions after the variables and the names.
        let mut at = self.layout.scope_locals + 8;
        if let Some(start) = self.scope_range(scope, at, size) {
            return Some(start);
        }
        at = self.scope_rest(scope)?;
        while at + 8 < size {
            if let Some(start) = self.scope_range(scope, at, size) {
                return Some(start);
            }
            at += 8;
        }
        None
    }

    fn scope_range(&self, scope: u64, at: u64, size: u64) -> Option<u32> {
        if at + 16 > size {
            return None;
        }
        let [start, end] = [at, at + 8].map(|at| small_integer(self.memory.word(scope + at)));
        let (start, end) = (start?, end?);
        (start <= end).then_some(u32::try_from(start).ok()?)
    }

    /// Where what follows the variables of a scope begins.
    fn scope_rest(&mut self, scope: u64) -> Option<u64> {
        let locals = self.scope_locals(scope);
        if locals == 0 {
            return Some(self.layout.scope_locals + 8);
        }
        let first = self.scope_variables(scope)?;
        let is_table = !self.field(scope, first).is_some_and(|name| self.is_string(name));
        Some(first + 8 * if is_table { 1 + locals } else { 2 * locals })
    }

    /// Offset of the first variable's name, or of the table that holds the names.
    fn scope_variables(&mut self, scope: u64) -> Option<u64> {
        let size = u64::from(self.size(scope));
        let mut at = self.layout.scope_locals + 8;
        while at < size {
            if self.field(scope, at).is_some() {
                return Some(at);
            }
            at += 8;
        }
        None
    }

    /// A named function's scope has the name and where it is kept, after the variables and what is known of each.
    fn scope_name(&mut self, scope: u64) -> Option<u64> {
        if !self.is_scope(scope) {
            return None;
        }
        let size = u64::from(self.size(scope));
        let mut at = self.scope_rest(scope)?;
        while at + 8 < size {
            if let Some(name) = self.field(scope, at)
                && self.is_string(name)
            {
                // The name is followed by a small integer; an inferred name is not, and no function has it for its own.
                return small_integer(self.memory.word(scope + at + 8)).map(|_| name);
            }
            at += 8;
        }
        None
    }

    /// The name of a context's variable by its word in the context; empty where it has none.
    pub(crate) fn variable(&mut self, context: u64, offset: u64) -> String {
        let Some(scope) = self.scope(context) else { return String::new() };
        let locals = self.scope_locals(scope);
        let slots = u64::from(self.size(context)) / 8 - 2;
        // Before the variables: the scope and the context around it; sometimes an extension, and after them the function's
        // own name.
        let first_slot = if slots > 2 + locals && self.has_extension(context) { 3 } else { 2 };
        let Some(variable) = (offset / 8).checked_sub(2 + first_slot).filter(|variable| *variable < locals)
        else {
            return String::new();
        };
        let Some(first) = self.scope_variables(scope) else { return String::new() };
        let Some(name) = self.field(scope, first) else { return String::new() };
        if self.is_string(name) {
            let name = self.field(scope, first + variable * 8).filter(|name| self.is_string(*name));
            return name.map(|name| self.text(name, LONGEST_NAME)).unwrap_or_default();
        }
        // Many variables: a table of names and numbers.
        let size = u64::from(self.size(name));
        let mut at = 16;
        while at + 8 < size {
            let number = small_integer(self.memory.word(name + at + 8));
            if let Some(key) = self.field(name, at).filter(|key| self.is_string(*key))
                && number == i32::try_from(variable).ok()
            {
                return self.text(key, LONGEST_NAME);
            }
            at += 8;
        }
        String::new()
    }

    /// The word before the variables of a context that has one: a module, an object of variables, or nothing yet.
    fn has_extension(&mut self, context: u64) -> bool {
        let Some(word) = self.field(context, 32) else { return false };
        let instance_type = self.type_of(word);
        let name = self.layout.type_name(instance_type);
        matches!(name, Some("Oddball" | "SourceTextModule" | "Hole"))
            || instance_type >= self.layout.first_receiver
    }

    /// The scope of a context.
    pub(crate) fn scope(&mut self, context: u64) -> Option<u64> {
        self.field(context, 16).filter(|scope| self.is_scope(*scope))
    }

    /// A number made of a scope's own words: where it stands, and the names of its variables.
    pub(crate) fn scope_hash(&mut self, scope: u64) -> u64 {
        let size = u64::from(self.size(scope));
        let mut hash = size;
        for at in (8..size).step_by(8) {
            let word = self.memory.word(scope + at);
            let part = match self.object(word) {
                Some(name) if self.is_string(name) => self.name_hash(name),
                _ if word & 1 == 1 => 1,
                _ => word,
            };
            hash = mix(hash, part, 5);
        }
        hash
    }

    /// The name of the function whose scope it is; empty for none.
    pub(crate) fn scope_text(&mut self, scope: u64) -> String {
        self.scope_name(scope).map(|name| self.text(name, LONGEST_NAME)).unwrap_or_default()
    }

    /// Whether an object is a context.
    pub(crate) fn is_context(&self, object: u64) -> bool {
        let instance_type = self.type_of(object);
        (self.layout.first_context..=self.layout.last_context).contains(&instance_type)
    }
}
