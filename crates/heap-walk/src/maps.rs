//! What the walk knows of each map: how objects of it are treated, their class, and the names of their fields.

use crate::heap::{Heap, small_integer};
use crate::layout::STRING_REPRESENTATION;
use std::collections::HashMap;

/// How far the chain of a map's earlier maps is followed.
const LONGEST_CHAIN: u32 = 4096;

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
    /// Where an object of Node's class `Module` keeps its file's name, bytes.
    pub(crate) file_name: Option<u64>,
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
    by_address: HashMap<u64, u32>,
    last: (u64, u32),
    infos: Vec<MapInfo>,
    class_numbers: HashMap<String, u32>,
    pub(crate) classes: Vec<Class>,
    treatments: HashMap<u16, Treatment>,
}

impl Maps {
    pub(crate) fn new(heap: &Heap<'_>) -> Self {
        Self {
            by_address: HashMap::new(),
            last: (0, 0),
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
        if self.last.0 == map {
            return self.last.1;
        }
        let number = match self.by_address.get(&map) {
            Some(number) => *number,
            None => self.add(heap, map, object),
        };
        self.last = (map, number);
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
        let name = class_name(heap, map, instance_type, is_function);
        let identity = hash_text(&name);
        let (inner, outer, file_name) =
            if is_receiver { heap.property_words(map, name == "Module") } else { Default::default() };
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
            file_name,
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

fn class_name(heap: &mut Heap<'_>, map: u64, instance_type: u16, is_function: bool) -> String {
    if is_function {
        return "Function".to_owned();
    }
    let layout = heap.layout;
    if instance_type >= layout.first_receiver {
        let name = heap.constructor_name(map);
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

impl Heap<'_> {
    /// The name of the function that made objects of this map, from its own words alone.
    ///
    /// A prototype is called after the prototype it has itself, as V8 does it: its own map names the class it is made for.
    fn constructor_name(&mut self, mut map: u64) -> Option<String> {
        let bits = self.memory.half(map + self.layout.map_bit_field3);
        // The bit before the one for dictionaries.
        if bits >> (self.layout.dictionary_map_bit - 1) & 1 == 1 {
            let prototype = self.field(map, self.layout.map_prototype)?;
            if self.type_of(prototype) < self.layout.first_receiver {
                return None;
            }
            map = self.map_of(prototype);
        }
        let map_type = self.layout.instance_type("Map");
        let mut constructor = map;
        for _ in 0..LONGEST_CHAIN {
            let word = self.memory.word(constructor + self.layout.map_constructor);
            constructor = self.object(word)?;
            if self.type_of(constructor) != map_type {
                break;
            }
        }
        let shared = self.shared(constructor)?;
        Some(self.shared_name(shared))
    }

    /// Hashes of the names of properties by the word that keeps them: in the object, in its property array, and where the
    /// property `filename` is, when that is asked.
    fn property_words(&mut self, map: u64, wants_file: bool) -> (Vec<u64>, Vec<u64>, Option<u64>) {
        let (mut inner, mut outer, mut file_name) = (Vec::new(), Vec::new(), None);
        self.each_property(map, &mut |heap, name, word, is_inner| {
            let words = if is_inner { &mut inner } else { &mut outer };
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(hash) = words.get_mut(word) {
                *hash = heap.name_hash(name);
            }
            if wants_file && is_inner && heap.name(name) == "filename" {
                file_name = Some(word as u64 * 8);
            }
        });
        (inner, outer, file_name)
    }

    /// Calls `each` with the name of every property that objects of this map keep in a field: its word in the object, or in
    /// the object's property array.
    pub(crate) fn each_property(&mut self, map: u64, each: &mut dyn FnMut(&mut Self, u64, usize, bool)) {
        let layout = self.layout;
        let bits = self.memory.half(map + layout.map_bit_field3);
        if bits >> layout.dictionary_map_bit & 1 == 1 {
            return;
        }
        let count = (bits & layout.own_descriptors_mask) >> layout.own_descriptors_shift;
        let Some(descriptors) = self.field(map, layout.map_descriptors) else { return };
        let size = u64::from(self.size(descriptors));
        let first = usize::from(self.memory.byte(map + layout.map_in_object_start));
        let end = usize::from(self.memory.byte(map + 8));
        for index in 0..u64::from(count) {
            let at = layout.descriptors_start + index * 24;
            if at + 24 > size {
                return;
            }
            let Some(details) = small_integer(self.memory.word(descriptors + at + 8)) else { continue };
            let details = u64::from(details as u32);
            if details & layout.details.location_mask != 0 {
                continue;
            }
            let field = ((details & layout.details.index_mask) >> layout.details.index_shift) as usize;
            let Some(name) = self.field(descriptors, at) else { continue };
            // An index counts through the object's own words first.
            let inside = end.saturating_sub(first);
            if field < inside {
                each(self, name, first + field, true);
            } else {
                each(self, name, field - inside, false);
            }
        }
    }
}
