//! The part of Python's pickle format that files of tensors are made of. Nothing is executed: a class that is asked for
//! is a name, and an object that is not a tensor or a container is opaque.
//!
//! Values live in one list and name each other by place, so that no input, however nested, deepens a recursion; each
//! opcode adds at most one value, so that memory stays in proportion to the input.

use std::collections::HashMap;

/// Place of a value in [`Pickle::values`].
pub(super) type Id = usize;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Text(String),
    /// Tuple or list.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// Module and name.
    Class(String),
    /// What a persistent id refers to: in files of PyTorch, a storage.
    Persistent(Id),
    /// The arguments of `torch._utils._rebuild_tensor_v2`.
    Tensor(Id),
    /// None, booleans, floats, bytes, and objects that no tensor needs.
    Opaque,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle from the front of `bytes`, and says how many bytes it took.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let mut machine =
            Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        let root = machine.run().map_err(|e| format!("{e} at byte {} of its pickle", machine.at))?;
        Ok((Self { values: machine.values, root }, machine.at))
    }

    /// The value that the pickle is of.
    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        if let Value::Text(text) = self.get(id) { Some(text) } else { None }
    }

    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        if let Value::Sequence(items) = self.get(id) { Some(items) } else { None }
    }

    /// A number that counts something.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        if let Value::Int(value) = self.get(id) { usize::try_from(*value).ok() } else { None }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

const EMPTY: &str = "it takes a value where there is none";
/// Bytes of a class's or a module's name at most. A short pickle may join one long text with itself again and again.
const LONGEST_NAME: usize = 256;

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                b'.' => return self.pop(),
                // PROTO and FRAME say nothing that is needed.
                0x80 => _ = self.take(1)?,
                0x95 => _ = self.take(8)?,
                b'(' => self.marks.push(self.stack.len()),
                b'0' => _ = self.pop()?,
                b'1' => _ = self.since_mark()?,
                b'N' | 0x88 | 0x89 => self.push(Value::Opaque),
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Opaque);
                }
                b'K' => self.int(1)?,
                b'M' => self.int(2)?,
                b'J' => {
                    let bytes = self.array::<4>()?;
                    self.push(Value::Int(i64::from(i32::from_le_bytes(bytes))));
                }
                0x8a => self.long()?,
                b'X' | b'T' => self.text(4)?,
                0x8c | b'U' => self.text(1)?,
                b'B' => self.bytes(4)?,
                b'C' => self.bytes(1)?,
                b'c' => {
                    let class = format!("{}.{}", self.line()?, self.line()?);
                    self.push(Value::Class(class));
                }
                0x93 => self.stack_global()?,
                b'q' => {
                    let key = u32::from(self.take(1)?[0]);
                    self.remember(key)?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.remember(key)?;
                }
                0x94 => self.remember(u32::try_from(self.memo.len()).map_err(|e| e.to_string())?)?,
                b'h' => {
                    let key = u32::from(self.take(1)?[0]);
                    self.recall(key)?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                b')' | b']' => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' | b'l' => {
                    let items = self.since_mark()?;
                    self.push(Value::Sequence(items));
                }
                0x85..=0x87 => {
                    let n = usize::from(opcode - 0x84);
                    let from = self.stack.len().checked_sub(n).ok_or(EMPTY)?;
                    let items = self.stack.split_off(from);
                    self.push(Value::Sequence(items));
                }
                b'd' => {
                    let items = self.since_mark()?;
                    self.push(Value::Dict(Vec::new()));
                    self.set_items(&items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(&items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set_items(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set_items(&items)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id));
                }
                b'R' => self.reduce()?,
                0x81 => {
                    self.pop()?;
                    self.pop()?;
                    self.push(Value::Opaque);
                }
                // BUILD sets an object's attributes: those of a state_dict are versions of its modules.
                b'b' => _ = self.pop()?,
                other => return Err(format!("opcode {other:#04x} is none that a file of tensors needs")),
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or("it ends early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends early".to_owned())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() > least { self.stack.pop().ok_or_else(|| EMPTY.to_owned()) } else { Err(EMPTY.to_owned()) }
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("it has no mark")?;
        Ok(self.stack.split_off(mark))
    }

    /// An unsigned integer of `n` bytes.
    fn int(&mut self, n: usize) -> Result<(), String> {
        let value = self.take(n)?.iter().rev().fold(0i64, |v, b| (v << 8) | i64::from(*b));
        self.push(Value::Int(value));
        Ok(())
    }

    /// A signed integer of any length; one beyond 64 bits is none that counts something.
    fn long(&mut self) -> Result<(), String> {
        let n = usize::from(self.take(1)?[0]);
        let bytes = self.take(n)?;
        let value = if n <= 8 {
            let mut wide = [if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 }; 8];
            wide[..n].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::Opaque
        };
        self.push(value);
        Ok(())
    }

    /// A length of `n` bytes.
    fn length(&mut self, n: usize) -> Result<usize, String> {
        let length = self.take(n)?.iter().rev().fold(0u64, |v, b| (v << 8) | u64::from(*b));
        usize::try_from(length).map_err(|e| e.to_string())
    }

    fn text(&mut self, n: usize) -> Result<(), String> {
        let length = self.length(n)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn bytes(&mut self, n: usize) -> Result<(), String> {
        let length = self.length(n)?;
        self.take(length)?;
        self.push(Value::Opaque);
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|b| *b == b'\n').ok_or("it ends early")?;
        let line = String::from_utf8_lossy(&rest[..n]).into_owned();
        self.at += n + 1;
        Ok(line)
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (&self.values[module], &self.values[name]) {
            (Value::Text(module), Value::Text(name)) if module.len().max(name.len()) > LONGEST_NAME => {
                Err("a class has a name of a length that none has".to_owned())
            }
            (Value::Text(module), Value::Text(name)) => {
                let class = format!("{module}.{name}");
                self.push(Value::Class(class));
                Ok(())
            }
            _ => Err("a class has no name".to_owned()),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let id = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("it recalls what it never had")?;
        self.stack.push(id);
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let list = *self.stack.last().ok_or(EMPTY)?;
        match &mut self.values[list] {
            Value::Sequence(there) => there.extend_from_slice(items),
            Value::Opaque => {}
            _ => return Err("it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = *self.stack.last().ok_or(EMPTY)?;
        match &mut self.values[dict] {
            Value::Dict(there) => there.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            Value::Opaque => {}
            _ => return Err("it sets an item of what is no dict".to_owned()),
        }
        Ok(())
    }

    /// A call: of the few functions that tensors and state_dicts are made with.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let value = match &self.values[function] {
            Value::Class(name) => match name.as_str() {
                "torch._utils._rebuild_tensor_v2" => Value::Tensor(arguments),
                "torch._utils._rebuild_parameter" => match &self.values[arguments] {
                    Value::Sequence(items) if !items.is_empty() => {
                        self.stack.push(items[0]);
                        return Ok(());
                    }
                    _ => return Err("a parameter has no tensor".to_owned()),
                },
                "collections.OrderedDict" => Value::Dict(Vec::new()),
                _ => Value::Opaque,
            },
            _ => Value::Opaque,
        };
        self.push(value);
        Ok(())
    }
}
