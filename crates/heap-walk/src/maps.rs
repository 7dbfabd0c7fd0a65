//! What the walk knows of each map: how objects of it are treated, their class, and the names of their fields.

use crate::addresses::AddressMap;
use crate::heap::Heap;
use crate::layout::STRING_REPRESENTATION;
use std::collections::HashMap;

const LATELY: usize = 1 << 8;

/// How objects of a map are treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Treatment {
    /// Nothing hangs on it: letters, numbers, raw bytes.
    Leaf,
    /// A string made of strings.
    RopeString,
    /// What V8 keeps about code and shapes.
    Metadata,
    /// A JavaScript object.
    Object,
    /// A function.
    Function,
    /// The variables of a scope.
    Context,
    /// An object's further properties, by number.
    PropertyArray,
    /// An object's properties by name, three words for each.
    NameDictionary,
    /// A row of entries that all play the same part: elements, and the tables of collections.
    Entries,
    /// The table of a weak collection: values live while their keys do.
    Ephemerons,
    /// A global variable.
    Cell,
    /// Its target is weak.
    WeakRef,
    /// Its target is weak.
    WeakCell,
    /// Anything else of V8's.
    Other,
}

/// A field of a class of Node's own that says what an object of it is: where it lies in the object, bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Special {
    /// The file of a `Module`.
    File(u64),
    /// The callback of a `Timeout`.
    Callback(u64),
}

/// One map.
#[derive(Debug)]
pub(crate) struct MapInfo {
    pub(crate) treatment: Treatment,
    pub(crate) instance_type: u16,
    /// Whether it is a JavaScript object, functions included.
    pub(crate) is_receiver: bool,
    /// Index into [`Maps::classes`].
    pub(crate) class: u32,
    /// The class's name as a number that is the same in every walk.
    pub(crate) identity: u64,
    /// By word of the object, the hash of the name of the property kept there; 0 where there is none.
    pub(crate) inner: Vec<u64>,
    /// The same for the words of the object's property array.
    pub(crate) outer: Vec<u64>,
    /// A field that says what the object is, whatever the path to it.
    pub(crate) special: Option<Special>,
    /// The map itself has been visited.
    pub(crate) visited: bool,
}

/// A class and how much of it is live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// All maps met so far.
pub(crate) struct Maps {
    by_address: AddressMap<u32>,
    /// Maps that were asked for lately, with their numbers: 4 kB.
    lately: [(u64, u32); LATELY],
    infos: Vec<MapInfo>,
    class_numbers: HashMap<String, u32>,
    pub(crate) classes: Vec<Class>,
    treatments: HashMap<u16, Treatment>,
}

impl Maps {
    pub(crate) fn new(heap: &Heap<'_>) -> Self {
        Self {
            by_address: AddressMap::default(),
            lately: [(0, 0); LATELY],
            infos: Vec::new(),
            class_numbers: HashMap::new(),
            classes: Vec::new(),
            treatments: treatments(heap),
        }
    }

    /// The number of an object's map, which is looked at when it is met for the first time.
    #[inline]
    pub(crate) fn of(&mut self, heap: &mut Heap<'_>, object: u64) -> u32 {
        let map = heap.map_of(object);
        // Maps lie 80 bytes apart.
        let slot = (map >> 4 ^ map >> 12) as usize & (LATELY - 1);
        if let Some((_, number)) = self.lately.get(slot).filter(|(known, _)| *known == map) {
            return *number;
        }
        let number = match self.by_address.get(&map) {
            Some(number) => *number,
            None => self.add(heap, map, object),
        };
        if let Some(slot) = self.lately.get_mut(slot) {
            *slot = (map, number);
        }
        number
    }

    /// What is known of a map; `None` for a number that these maps did not give.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&MapInfo> {
        self.infos.get(number as usize)
    }

    /// The class with this map's objects.
    pub(crate) fn class(&self, number: u32) -> &str {
        self.get(number)
            .and_then(|info| self.classes.get(info.class as usize))
            .map_or("", |class| &class.name)
    }

    /// Notes a live object; `true` when its map has not been visited before.
    #[inline]
    pub(crate) fn count(&mut self, number: u32, bytes: u64) -> bool {
        let Some(info) = self.infos.get_mut(number as usize) else { return false };
        if let Some(class) = self.classes.get_mut(info.class as usize) {
            class.count += 1;
            class.bytes += bytes;
        }
        !std::mem::replace(&mut info.visited, true)
    }

    fn add(&mut self, heap: &mut Heap<'_>, map: u64, object: u64) -> u32 {
        let number = self.infos.len() as u32;
        self.by_address.insert(map, number);
        let instance_type = heap.type_of_map(map);
        let is_receiver = instance_type >= heap.layout.first_receiver;
        let is_function = is_receiver && heap.shared(object).is_some();
        let treatment = if is_function {
            Treatment::Function
        } else if let Some(treatment) = self.treatments.get(&instance_type) {
            *treatment
        } else if is_receiver {
            Treatment::Object
        } else {
            other(heap, instance_type)
        };
        let name = class_name(heap, map, object, instance_type, is_function);
        let identity = hash_text(&name);
        let (inner, outer, special) =
            if is_receiver { heap.property_words(map, &name) } else { Default::default() };
        let next = self.classes.len() as u32;
        let class = *self.class_numbers.entry(name).or_insert_with_key(|name| {
            self.classes.push(Class { name: name.clone(), ..Class::default() });
            next
        });
        let info = MapInfo {
            treatment,
            instance_type,
            is_receiver,
            class,
            identity,
            inner,
            outer,
            special,
            visited: false,
        };
        self.infos.push(info);
        number
    }
}

/// A text as a number, the same in every process.
pub(crate) fn hash_text(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether objects with a type of this name are compiled code, or what V8 keeps with it.
pub(crate) fn is_compiled_code(name: &str) -> bool {
    name == "InstructionStream"
        || ["Code", "Protected", "Trusted"].iter().any(|prefix| name.starts_with(prefix))
}

/// Instance types with a treatment of their own.
fn treatments(heap: &Heap<'_>) -> HashMap<u16, Treatment> {
    let mut treatments = HashMap::new();
    for (instance_type, name) in heap.layout.type_names() {
        if let Some(treatment) = by_name(name) {
            treatments.insert(instance_type, treatment);
        }
    }
    let tables = heap.tables;
    for (table, treatment) in [
        (tables.ordered_map, Treatment::Entries),
        (tables.ordered_set, Treatment::Entries),
        (tables.number_dictionary, Treatment::Entries),
        (tables.global_dictionary, Treatment::Entries),
        (tables.name_dictionary, Treatment::NameDictionary),
        (tables.ephemeron, Treatment::Ephemerons),
    ] {
        if let Some(table) = table {
            treatments.insert(table, treatment);
        }
    }
    treatments
}

fn by_name(name: &str) -> Option<Treatment> {
    const METADATA: [&str; 44] = [
        "AccessCheckInfo",
        "AccessorInfo",
        "AllocationMemento",
        "AllocationSite",
        "ArrayBoilerplateDescription",
        "BytecodeArray",
        "BytecodeWrapper",
        "CallHandlerInfo",
        "ClassBoilerplate",
        "ClassPositions",
        "ClosureFeedbackCellArray",
        "Code",
        "CodeWrapper",
        "CoverageInfo",
        "DebugInfo",
        "DependentCode",
        "DescriptorArray",
        "DictionaryTemplateInfo",
        "EnumCache",
        "FeedbackCell",
        "FeedbackMetadata",
        "FeedbackVector",
        "FunctionTemplateInfo",
        "FunctionTemplateRareData",
        "InstructionStream",
        "InterceptorInfo",
        "InterpreterData",
        "LoadHandler",
        "Map",
        "ObjectBoilerplateDescription",
        "ObjectTemplateInfo",
        "PreparseData",
        "PrototypeInfo",
        "RegExpBoilerplateDescription",
        "ScopeInfo",
        "Script",
        "SharedFunctionInfo",
        "SharedFunctionInfoWrapper",
        "StoreHandler",
        "StrongDescriptorArray",
        "TemplateObjectDescription",
        "TransitionArray",
        "WeakArrayList",
        "WeakFixedArray",
    ];
    match name {
        "ByteArray" | "FixedDoubleArray" | "TrustedByteArray" | "HeapNumber" | "Hole" | "FreeSpace" => {
            Some(Treatment::Leaf)
        }
        "PropertyArray" => Some(Treatment::PropertyArray),
        "PropertyCell" => Some(Treatment::Cell),
        "FixedArray" | "ArrayList" | "SmallOrderedHashMap" | "SmallOrderedHashSet" => {
            Some(Treatment::Entries)
        }
        "JSWeakRef" => Some(Treatment::WeakRef),
        "WeakCell" => Some(Treatment::WeakCell),
        _ if name.starts_with("UncompiledData") || METADATA.contains(&name) => Some(Treatment::Metadata),
        _ => None,
    }
}

/// The treatment of a type without a name, or without one that matters.
fn other(heap: &Heap<'_>, instance_type: u16) -> Treatment {
    let layout = heap.layout;
    if instance_type < layout.first_nonstring {
        // Flat and external strings hold nothing but letters.
        return match instance_type & STRING_REPRESENTATION {
            0 | 2 => Treatment::Leaf,
            _ => Treatment::RopeString,
        };
    }
    if (layout.first_context..=layout.last_context).contains(&instance_type) {
        return Treatment::Context;
    }
    Treatment::Other
}

fn class_name(heap: &mut Heap<'_>, map: u64, object: u64, instance_type: u16, is_function: bool) -> String {
    if is_function {
        return "Function".to_owned();
    }
    let layout = heap.layout;
    if instance_type >= layout.first_receiver {
        if matches!(layout.type_name(instance_type), Some("JSBoundFunction" | "JSWrappedFunction")) {
            return "Function".to_owned();
        }
        let name = heap.class_by_constructor(map, object);
        let plain = || layout.type_name(instance_type).map(|name| name.trim_start_matches("JS").to_owned());
        return name.filter(|name| !name.is_empty()).or_else(plain).unwrap_or_else(|| "Object".to_owned());
    }
    if instance_type < layout.first_nonstring {
        return "(string)".to_owned();
    }
    if (layout.first_context..=layout.last_context).contains(&instance_type) {
        return "(context)".to_owned();
    }
    let tables = heap.tables;
    let known = [
        (tables.ordered_map, "(map table)"),
        (tables.ordered_set, "(set table)"),
        (tables.ephemeron, "(weak table)"),
        (tables.name_dictionary, "(dictionary)"),
        (tables.global_dictionary, "(globals)"),
        (tables.number_dictionary, "(sparse elements)"),
    ];
    if let Some((_, name)) = known.iter().find(|(table, _)| *table == Some(instance_type)) {
        return (*name).to_owned();
    }
    match layout.type_name(instance_type) {
        Some("HeapNumber") => "(number)".to_owned(),
        Some(name) => format!("({name})"),
        None => format!("(type {instance_type})"),
    }
}
