//! Where fields lie and what instance types mean in the running V8, all of it read from its post-mortem constants.

use crate::executable::Executable;
use crate::refusal::Refusal;

/// The bits of a string's instance type that say how it is represented.
pub(crate) const STRING_REPRESENTATION: u16 = 7;
/// The bit of a string's instance type that says that its letters are bytes.
pub(crate) const ONE_BYTE: u16 = 8;

/// How descriptors pack an in-object or out-of-object field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Details {
    pub(crate) location_mask: u64,
    pub(crate) index_mask: u64,
    pub(crate) index_shift: u32,
}

/// Offsets in bytes from the untagged address, and instance types.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) map_type: u64,
    pub(crate) map_constructor: u64,
    pub(crate) map_prototype: u64,
    pub(crate) map_descriptors: u64,
    pub(crate) map_bit_field2: u64,
    pub(crate) map_bit_field3: u64,
    pub(crate) map_in_object_start: u64,
    pub(crate) dictionary_map_bit: u32,
    pub(crate) elements_shift: u32,
    pub(crate) dictionary_elements: u8,
    pub(crate) own_descriptors_mask: u32,
    pub(crate) own_descriptors_shift: u32,
    pub(crate) descriptors_start: u64,
    pub(crate) details: Details,
    pub(crate) function_shared: u64,
    pub(crate) function_context: u64,
    pub(crate) shared_name: u64,
    pub(crate) shared_script: u64,
    pub(crate) script_name: u64,
    pub(crate) script_source: u64,
    pub(crate) string_length: u64,
    pub(crate) symbol_name: u64,
    pub(crate) buffer_length: u64,
    pub(crate) buffer_store: u64,
    pub(crate) uncompiled_start: u64,
    pub(crate) first_nonstring: u16,
    pub(crate) first_context: u16,
    pub(crate) last_context: u16,
    pub(crate) first_receiver: u16,
    pub(crate) scope_locals: u64,
    /// Where an oddball says which one it is, and what the hole says there; `None` where holes have a type of their own.
    pub(crate) hole: Option<(u64, i32)>,
    types: [u16; KNOWN.len()],
    /// By instance type; empty where V8 does not say.
    names: Vec<String>,
}

/// Classes that the walk treats in a way of their own, and that every supported V8 names. Looking one up by its text would be what a
/// walk does most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    Map,
    FixedArray,
    SharedFunctionInfo,
    Script,
    ScopeInfo,
    PropertyCell,
    JsFunction,
    JsMap,
    JsSet,
    JsWeakMap,
    JsArrayBuffer,
    JsGlobalObject,
}

/// What V8 calls them, in the same order.
const KNOWN: [&str; 12] = [
    "Map",
    "FixedArray",
    "SharedFunctionInfo",
    "Script",
    "ScopeInfo",
    "PropertyCell",
    "JSFunction",
    "JSMap",
    "JSSet",
    "JSWeakMap",
    "JSArrayBuffer",
    "JSGlobalObject",
];

/// More of them, which are met by their names only.
const ALSO: [&str; 6] =
    ["ByteArray", "FixedDoubleArray", "PropertyArray", "JSArray", "JSWeakRef", "WeakCell"];

impl Layout {
    /// The layout, or which constant it lacks.
    pub(crate) fn read(executable: &Executable) -> Result<Self, Refusal> {
        let constant = |name| executable.constant(name);
        let field = |class, name| executable.field(class, name);
        if constant("TaggedSize")? != 8
            || constant("SystemPointerSize")? != 8
            || constant("SmiShiftSize")? != 31
        {
            return Err(Refusal::Layout(
                "compressed pointers, or words that are not 64 bits wide".to_owned(),
            ));
        }
        let mut types = [None; KNOWN.len()];
        let mut names: Vec<String> = Vec::new();
        let mut first_receiver = u16::MAX;
        for (class, value) in executable.types() {
            if let Some((_, slot)) = KNOWN.iter().zip(&mut types).find(|(known, _)| **known == class) {
                *slot = Some(value);
            }
            if class.starts_with("JS") {
                first_receiver = first_receiver.min(value);
            }
            if names.len() <= usize::from(value) {
                names.resize(usize::from(value) + 1, String::new());
            }
            if let Some(name) = names.get_mut(usize::from(value)) {
                class.clone_into(name);
            }
        }
        let unknown = KNOWN.iter().zip(&types).find(|(_, value)| value.is_none()).map(|(known, _)| known);
        let unnamed = || ALSO.iter().find(|also| !names.iter().any(|name| name == **also));
        if let Some(missing) = unknown.or_else(unnamed) {
            return Err(Refusal::Symbol(format!("v8dbg_type_{missing}__*")));
        }
        let types = types.map(|value| value.unwrap_or(u16::MAX));
        let number = |name| constant(name).and_then(|value| unsigned(name, value));
        Ok(Self {
            map_type: field("Map", "instance_type")?,
            map_constructor: field("Map", "constructor_or_back_pointer")?,
            map_prototype: field("Map", "prototype")?,
            map_descriptors: field("Map", "instance_descriptors")?,
            map_bit_field2: field("Map", "bit_field2")?,
            map_bit_field3: field("Map", "bit_field3")?,
            map_in_object_start: field("Map", "inobject_properties_start_or_constructor_function_index")?,
            dictionary_map_bit: number("bit_field3_is_dictionary_map_shift")?,
            elements_shift: number("bit_field2_elements_kind_shift")?,
            dictionary_elements: number("elements_dictionary_elements")? as u8,
            own_descriptors_mask: number("bit_field3_number_of_own_descriptors_mask")?,
            own_descriptors_shift: number("bit_field3_number_of_own_descriptors_shift")?,
            descriptors_start: field("DescriptorArray", "header_size")?,
            details: Details {
                location_mask: number("prop_location_mask")?.into(),
                index_mask: number("prop_index_mask")?.into(),
                index_shift: number("prop_index_shift")?,
            },
            function_shared: field("JSFunction", "shared")?,
            function_context: field("JSFunction", "context")?,
            shared_name: field("SharedFunctionInfo", "name_or_scope_info")?,
            shared_script: field("SharedFunctionInfo", "raw_script")
                .or_else(|_| field("SharedFunctionInfo", "script_or_debug_info"))?,
            script_name: field("Script", "name")?,
            script_source: field("Script", "source")?,
            string_length: field("String", "length")?,
            symbol_name: field("Symbol", "name")?,
            buffer_length: field("JSArrayBuffer", "byte_length")?,
            buffer_store: field("JSArrayBuffer", "backing_store")?,
            uncompiled_start: field("UncompiledData", "start_position")?,
            first_nonstring: instance_type(constant("FirstNonstringType")?)?,
            first_context: instance_type(constant("FirstContextType")?)?,
            last_context: instance_type(constant("LastContextType")?)?,
            first_receiver,
            scope_locals: 8 + 8 * u64::from(number("scopeinfo_idx_ncontextlocals")?),
            hole: field("Oddball", "kind_offset")
                .or_else(|_| field("Oddball", "kind"))
                .ok()
                .zip(constant("OddballTheHole").ok()),
            types,
            names,
        })
    }

    /// The instance type of a class.
    #[inline]
    pub(crate) fn instance_type(&self, class: Known) -> u16 {
        self.types.get(class as usize).copied().unwrap_or(u16::MAX)
    }

    /// What V8 calls an instance type, where it says so.
    pub(crate) fn type_name(&self, instance_type: u16) -> Option<&str> {
        self.names.get(usize::from(instance_type)).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// All named instance types.
    pub(crate) fn type_names(&self) -> impl Iterator<Item = (u16, &str)> {
        let named = |instance_type| self.type_name(instance_type).map(|name| (instance_type, name));
        (0..u16::MAX).take(self.names.len()).filter_map(named)
    }
}

fn unsigned(name: &str, value: i32) -> Result<u32, Refusal> {
    u32::try_from(value).map_err(|_| Refusal::Layout(format!("v8dbg_{name} is {value}")))
}

fn instance_type(value: i32) -> Result<u16, Refusal> {
    u16::try_from(value).map_err(|_| Refusal::Layout(format!("an instance type of {value}")))
}
